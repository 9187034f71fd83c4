// A recorded step, judged by us as `gate eval` judges it.
#pragma once

#include <gtest/gtest.h>

#include <set>
#include <string>
#include <vector>

#include "common/text.h"
#include "gate/decision/evaluate.h"
#include "gate/document/verdict.h"
#include "gate/evidence/approval.h"
#include "tests/gate/gait_cases.h"

namespace countersign::gate {

// Flags whose work belongs to the caller or to later issues.
inline constexpr const char* kBeyondEvaluation[] = {"--credential-broker",
                                                    "--delegation-token",
                                                    "--rate-limit-state",
                                                    "--approved-script-registry",
                                                    "--wrkr-inventory",
                                                    "--profile",
                                                    "--simulate",
                                                    "--explain",
                                                    "--config"};

inline keymgmt::KeySet approval_keys(const GaitStep& step) {
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

inline std::vector<Json> tokens_of(const GaitStep& step, bool& readable) {
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
  Policy policy;
  JudgedIntent judged;
  Decision decision;
  ApprovalJudgement judgement;
};

// What `gate eval` does on a step, without broker, delegation and limits.
inline Result<Outcome> replay(const GaitStep& step) {
  ASSIGN_OR_RETURN(const Policy policy, Policy::parse(step.file_of("--policy").value_or("- absent")));
  ASSIGN_OR_RETURN(Intent intent, Intent::parse(step.file_of("--intent").value_or(""), ArgsReading::AsGait));
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
  ASSIGN_OR_RETURN(Decision decision, evaluate(policy, judged, evidence, step.now()));
  Outcome out{policy, judged, std::move(decision), {}};
  if (out.decision.verdict == Verdict::RequireApproval) {
    const keymgmt::KeySet keys = approval_keys(step);
    out.judgement = judge_approvals(tokens, judged, judged.intent.intent_digest(), policy.policy_digest(), out.decision,
                                    ApprovalRules{keys}, *UtcTime::parse("2026-11-22T04:30:00Z"));
    out.decision = after_approvals(std::move(out.decision), out.judgement);
  }
  return out;
}

inline bool is_evaluated(const GaitStep& step) {
  for (const char* flag : kBeyondEvaluation) {
    if (step.has(flag)) return false;
  }
  const auto mode = step.flags.find("--key-mode");
  // Errors of flags and paths are the command's.
  if (mode == step.flags.end() && step.group == "invalid_input") return false;
  return step.file_of("--policy") && step.file_of("--intent") && step.name != "210_flags";
}

// What the decision asks of the caller, who has no broker or delegation tokens in these cases and blocks.
inline bool is_left_to_caller(const GaitStep& step, const Decision& decision) {
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

// Where ours must differ, with the verdict ours has to reach. The case's last step counts.
struct Stricter {
  const char* name;
  Verdict verdict;
  const char* why;
};
inline constexpr Stricter kStricter[] = {
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
    {"092_wildcard_scope", Verdict::RequireApproval, "a scope * covers nothing"},
    {"098_copy_of_token", Verdict::RequireApproval, "a copy of a token is the same token"},
    {"099_WEAK_whitespace_forges_second_approver", Verdict::RequireApproval, "one token is one approval"},
    {"100_WEAK_case_variant_approver", Verdict::RequireApproval, "two spellings are one person"},
    {"109_WEAK_no_approval_key_falls_back_to_trace_key", Verdict::RequireApproval, "only approval keys approve"},
    {"122_tolerated_edits", Verdict::RequireApproval, "an envelope without a key id names no key"},
};

inline const Stricter* stricter(const GaitStep& step) {
  for (const Stricter& row : kStricter) {
    if (step.name == row.name) return &row;
  }
  return nullptr;
}

}  // namespace countersign::gate
