// The decisions are gait's on every recorded gate eval that needs nothing this build leaves to the caller, and stricter
// where gait is weak.
#include "gate/decision/evaluate.h"

#include <gtest/gtest.h>

#include <chrono>
#include <cstdio>
#include <map>
#include <string>

#include "gate/document/verdict.h"
#include "tests/gate/replay.h"

namespace countersign::gate {
namespace {

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

// The budget is 1 ms in a release build on an idle core; this holds in any build on a busy one and still catches a
// mistake of an order of magnitude.
TEST(Evaluation, OfATypicalIntentIsQuick) {
  const std::string policy_text = R"(
default_verdict: block
rules:
- {name: read, priority: 1, effect: allow, match: {endpoint_classes: [fs.read]}}
- {name: write, priority: 2, effect: require_approval, min_approvals: 2, match: {tool_names: [db.write]}}
)";
  const std::string intent_text =
      R"({"tool_name":"db.write","args":{"path":"/srv/a","n":1},"targets":[{"kind":"path","value":"/srv/a",
          "operation":"write"}],"context":{"identity":"a","workspace":"/w","risk_class":"high"}})";
  constexpr int kRounds = 200;
  const UtcTime now = *UtcTime::parse("2026-06-15T12:00:00Z");
  const auto start = std::chrono::steady_clock::now();
  for (int i = 0; i < kRounds; ++i) {
    const Policy policy = *Policy::parse(policy_text);
    const Result<JudgedIntent> judged =
        with_context(*Intent::parse(intent_text), std::nullopt, ContextTrust::Envelope, AgeInDigest::Left, now);
    ASSERT_EQ(evaluate(policy, *judged, {}, now)->verdict, Verdict::RequireApproval);
    ASSERT_NE(policy.policy_digest(), judged->intent.intent_digest());
  }
  const std::chrono::duration<double, std::milli> spent = std::chrono::steady_clock::now() - start;
  std::printf("policy, intent, digests and decision: %.3f ms each\n", spent.count() / kRounds);
  EXPECT_LT(spent.count() / kRounds, 20);
}

}  // namespace
}  // namespace countersign::gate
