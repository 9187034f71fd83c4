// The decisions are gait's on every recorded gate eval that needs nothing this build leaves to the caller, and stricter
// where gait is weak.
#include "gate/evaluate.h"

#include <gtest/gtest.h>

#include <cstdio>
#include <map>
#include <set>
#include <string>

#include "common/text.h"
#include "gate/approval.h"
#include "gate/verdict.h"
#include "tests/gate/gait_cases.h"

namespace countersign::gate {
namespace {

// Flags whose work belongs to the caller or to later issues.
constexpr const char* kBeyondEvaluation[] = {"--credential-broker",
                                             "--delegation-token",
                                             "--rate-limit-state",
                                             "--approved-script-registry",
                                             "--wrkr-inventory",
                                             "--profile",
                                             "--simulate",
                                             "--explain",
                                             "--config"};

keymgmt::KeySet approval_keys(const GaitStep& step) {
  const auto flag = step.flags.find("--approval-public-key");
  if (flag == step.flags.end()) return {};
  const std::string file = flag->second.substr(flag->second.rfind('/') + 1);
  const auto text = gait_cases().keys.find(file);
  if (text == gait_cases().keys.end()) return {};
  const Result<keymgmt::PublicKey> key = keymgmt::PublicKey::from_gait(text->second);
  if (!key) return {};
  keymgmt::PublishedKey published{
      *key,        keymgmt::Role::Approval, keymgmt::KeyState::Active, "", "", UtcTime(), UtcTime(), std::nullopt,
      std::nullopt};
  return keymgmt::KeySet(1, UtcTime(), {published});
}

std::vector<Json> tokens_of(const GaitStep& step, bool& readable) {
  std::set<std::string> paths;
  for (const char* flag : {"--approval-token", "--approval-token-chain"}) {
    if (!step.has(flag)) continue;
    std::string_view names = step.flags.at(flag);
    while (!names.empty()) {
      const std::size_t comma = std::min(names.find(','), names.size());
      paths.emplace(trimmed(names.substr(0, comma)));
      names.remove_prefix(std::min(comma + 1, names.size()));
    }
  }
  std::vector<Json> out;
  for (const std::string& path : paths) {
    const auto file = step.files.find(path);
    const Result<Json> token = file == step.files.end() ? Result<Json>(Error{ErrorCode::NotFound, path})
                                                        : Json::parse(file->second, Json::Limits{.gait = true});
    if (token) {
      out.push_back(*token);
    } else {
      readable = false;
    }
  }
  return out;
}

struct Outcome {
  Decision decision;
  ApprovalJudgement judgement;
};

// What `gate eval` does on a step, without broker, delegation and limits.
Result<Outcome> replay(const GaitStep& step) {
  ASSIGN_OR_RETURN(const Policy policy, Policy::parse(step.file_of("--policy").value_or("- absent")));
  ASSIGN_OR_RETURN(Intent intent, Intent::parse(step.file_of("--intent").value_or("")));
  Evidence evidence;
  if (const auto text = step.file_of("--kill-switch-state")) {
    Result<KillSwitch> state = KillSwitch::parse(*text);
    const std::string& risk = intent.context().risk_class;
    if (state) {
      evidence.kill_switch = *state;
    } else if (risk == "high" || risk == "critical") {
      evidence.kill_switch_unavailable = true;
    } else {
      return state.error();
    }
  }
  std::optional<ContextEnvelope> envelope;
  if (const auto text = step.file_of("--context-envelope")) {
    ASSIGN_OR_RETURN(envelope, ContextEnvelope::parse(*text));
  }
  ASSIGN_OR_RETURN(const JudgedIntent judged,
                   with_context(intent, envelope, ContextTrust::Envelope, AgeInDigest::Hashed, step.now()));
  bool readable = true;
  const std::vector<Json> tokens = tokens_of(step, readable);
  if (!readable) return Error{ErrorCode::Invalid, "an approval token cannot be read"};
  Outcome out;
  ASSIGN_OR_RETURN(out.decision, evaluate(policy, judged, evidence, step.now()));
  if (out.decision.verdict == Verdict::RequireApproval) {
    const keymgmt::KeySet keys = approval_keys(step);
    out.judgement = judge_approvals(tokens, judged, judged.intent.intent_digest(), policy.policy_digest(), out.decision,
                                    ApprovalRules{keys, true}, *UtcTime::parse("2026-11-22T04:30:00Z"));
    out.decision = after_approvals(std::move(out.decision), out.judgement);
  }
  return out;
}

// What differs from gait's answer; empty where all agrees.
std::string differences(const GaitStep& step, const Result<Outcome>& replayed) {
  const int exit = replayed ? exit_code_of(replayed->decision.verdict) : exit_code_of(replayed.error());
  // gait ends 1 where its own error text happens to hold "lock".
  const int expected = step.exit == 1 ? 6 : step.exit;
  if (exit != expected) {
    return "exit " + std::to_string(exit) + " for " + std::to_string(expected) +
           (replayed ? "" : ": " + replayed.error().detail);
  }
  if (!replayed) return "";
  const Decision& decision = replayed->decision;
  Json ours{Json::Object{}};
  const auto put = [&ours](std::string_view name, const std::vector<std::string>& texts) {
    if (!texts.empty()) ours.set(name, Json::array(texts));
  };
  ours.set("verdict", Json(statement::name_of(decision.verdict)));
  put("reason_codes", decision.reason_codes);
  put("violations", decision.violations);
  if (!decision.matched_rule.empty()) ours.set("matched_rule", Json(decision.matched_rule));
  if (decision.required_approvals > 0) ours.set("required_approvals", Json(decision.required_approvals));
  if (replayed->judgement.valid > 0) ours.set("valid_approvals", Json(replayed->judgement.valid));
  if (!replayed->judgement.approval_ref.empty()) ours.set("approval_ref", Json(replayed->judgement.approval_ref));
  ours.set("phase", Json(decision.phase));
  if (decision.freeze_window) ours.set("freeze_window", *decision.freeze_window);
  if (decision.sandbox) ours.set("sandbox", *decision.sandbox);
  if (decision.kill_switch) ours.set("kill_switch", *decision.kill_switch);
  if (decision.step_count > 0) ours.set("step_count", Json(decision.step_count));
  if (!decision.composite_risk_class.empty()) ours.set("composite_risk_class", Json(decision.composite_risk_class));
  if (!decision.step_verdicts.empty()) ours.set("step_verdicts", step_verdicts_json(decision.step_verdicts));
  std::string out;
  for (const char* name : {"verdict", "reason_codes", "violations", "matched_rule", "required_approvals",
                           "valid_approvals", "approval_ref", "phase", "freeze_window", "sandbox", "kill_switch",
                           "step_count", "composite_risk_class", "step_verdicts"}) {
    const Json* theirs = step.answer.find(name);
    const Json* mine = ours.find(name);
    std::string gait = theirs == nullptr ? "-" : theirs->canonical();
    std::string own = mine == nullptr ? "-" : mine->canonical();
    // The wall clock of the recording.
    if (std::string_view(name) == "kill_switch" && !step.has("--evaluation-time")) continue;
    // The label of --approval-token-ref stands there where nothing was granted.
    if (std::string_view(name) == "approval_ref" && step.has("--approval-token-ref")) continue;
    if (gait != own) out += std::string(name) + ": " + own + " for " + gait + "; ";
  }
  return out;
}

// Where ours must differ, with the verdict ours has to reach. The case's last step counts.
struct Stricter {
  const char* name;
  Verdict verdict;
  const char* why;
};
constexpr Stricter kStricter[] = {
    {"028_match_workspace_prefix_is_text_prefix", Verdict::Block, "a rule that permits does not match a sibling"},
    {"045_endpoint_path_dotdot", Verdict::Block, "a path may not leave the allow list by .."},
    {"052_dataflow_weakens_block", Verdict::Block, "a constraint only restricts"},
    {"056_destructive_default_allow", Verdict::RequireApproval, "a default allow does not cover destructive targets"},
    {"316_infer_class_dir_rm_all", Verdict::RequireApproval, "a default allow does not cover destructive targets"},
    {"319_infer_class_exec_sh", Verdict::RequireApproval, "a default allow does not cover destructive targets"},
    {"358_fuzz_10", Verdict::DryRun, "a default allow does not cover destructive targets"},
    {"372_fuzz_24", Verdict::RequireApproval, "a default allow does not cover destructive targets"},
    {"068_sandbox_valid", Verdict::Block, "a required read-only root is not declared"},
    {"072_sandbox_exec_not_destructive", Verdict::Block, "a required read-only root is not declared"},
    {"098_copy_of_token", Verdict::RequireApproval, "a copy of a token is the same token"},
    {"099_WEAK_whitespace_forges_second_approver", Verdict::RequireApproval, "one token is one approval"},
    {"100_WEAK_case_variant_approver", Verdict::RequireApproval, "two spellings are one person"},
    {"109_WEAK_no_approval_key_falls_back_to_trace_key", Verdict::RequireApproval, "only approval keys approve"},
    {"122_tolerated_edits", Verdict::RequireApproval, "an envelope without a key id names no key"},
};

bool is_evaluated(const GaitStep& step) {
  for (const char* flag : kBeyondEvaluation) {
    if (step.has(flag)) return false;
  }
  const auto mode = step.flags.find("--key-mode");
  // Errors of flags and paths are the command's.
  if (mode == step.flags.end() && step.group == "invalid_input") return false;
  return step.file_of("--policy") && step.file_of("--intent") && step.name != "210_flags";
}

// What the decision asks of the caller, who has no broker or delegation tokens in these cases and blocks.
bool is_left_to_caller(const GaitStep& step, const Decision& decision) {
  const Json* reasons = step.answer.find("reason_codes");
  const auto says = [reasons](const char* code) {
    if (reasons == nullptr) return false;
    for (const Json& reason : reasons->as_array()) {
      if (reason == Json(code)) return true;
    }
    return false;
  };
  const bool brokered = says("broker_credential_required");
  const bool delegated = says("delegation_token_missing");
  EXPECT_TRUE(!brokered || decision.broker.required) << step.name;
  EXPECT_TRUE(!delegated || decision.delegation_required) << step.name;
  return brokered || delegated;
}

const Stricter* stricter(const GaitStep& step) {
  for (const Stricter& row : kStricter) {
    if (step.name == row.name) return &row;
  }
  return nullptr;
}

TEST(Evaluation, AgreesWithEveryRecordedAnswerOfGait) {
  std::map<std::string, std::pair<int, int>> tallies;
  int all = 0;
  int agree = 0;
  int left = 0;
  for (const GaitStep& step : gait_cases().steps) {
    if (!is_evaluated(step) || deliberate_differences().contains(step.name) || stricter(step) != nullptr) continue;
    const Result<Outcome> replayed = replay(step);
    if (replayed && is_left_to_caller(step, replayed->decision)) {
      ++left;
      continue;
    }
    const std::string difference = differences(step, replayed);
    auto& [same, total] = tallies[step.group];
    ++total;
    ++all;
    if (difference.empty()) {
      ++same;
      ++agree;
    } else {
      ADD_FAILURE() << step.name << ": " << difference;
    }
  }
  for (const auto& [group, tally] : tallies) {
    std::printf("decisions  %-14s %3d of %3d\n", group.c_str(), tally.first, tally.second);
  }
  std::printf("decisions  %-14s %3d of %3d\n", "all", agree, all);
  std::printf("decisions  %-14s %3d\n", "left to caller", left);
  EXPECT_GE(all, 360);
  EXPECT_GE(left, 4);
}

TEST(Evaluation, IsStricterWhereGaitIsWeak) {
  for (const Stricter& row : kStricter) {
    const GaitStep* last = nullptr;
    for (const GaitStep& step : gait_cases().steps) {
      if (step.name == row.name) last = &step;
    }
    ASSERT_NE(last, nullptr) << row.name;
    const Result<Outcome> replayed = replay(*last);
    ASSERT_TRUE(replayed) << row.name << ": " << replayed.error().detail;
    EXPECT_EQ(replayed->decision.verdict, row.verdict) << row.name << ": " << row.why;
  }
}

}  // namespace
}  // namespace countersign::gate
