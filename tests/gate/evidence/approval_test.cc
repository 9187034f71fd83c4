// Where approvals are judged more strictly than gait judges them.
#include "gate/evidence/approval.h"

#include <gtest/gtest.h>

#include <string>

#include "tests/gate/replay.h"

namespace countersign::gate {
namespace {

const GaitStep& last_step(const std::string& name) {
  const GaitStep* last = nullptr;
  for (const GaitStep& step : gait_cases().steps) {
    if (step.name == name) last = &step;
  }
  return *last;
}

// The step's tokens under `keys`, by rules of our own.
ApprovalJudgement judged_by(const GaitStep& step, const keymgmt::KeySet& keys) {
  const Policy policy = *Policy::parse(*step.file_of("--policy"));
  const JudgedIntent judged = *with_context(*Intent::parse(*step.file_of("--intent")), std::nullopt,
                                            ContextTrust::Envelope, AgeInDigest::Left, step.now());
  const Decision decision = *evaluate(policy, judged, {}, step.now());
  bool readable = true;
  return judge_approvals(tokens_of(step, readable), judged, judged.intent.intent_digest(), policy.policy_digest(),
                         decision, ApprovalRules{keys}, *UtcTime::parse("2026-11-22T04:30:00Z"));
}

bool has(const std::vector<std::string>& codes, const std::string& code) {
  return std::find(codes.begin(), codes.end(), code) != codes.end();
}

TEST(ApprovalToken, OfWildcardScopeCoversNothing) {
  const GaitStep& step = last_step("092_wildcard_scope");
  const keymgmt::KeySet keys = approval_keys(step);
  const ApprovalJudgement strict = judged_by(step, keys);
  EXPECT_FALSE(strict.approved);
  EXPECT_TRUE(has(strict.reason_codes, "approval_token_scope_mismatch"));
  EXPECT_TRUE(strict.redeemable.empty());
}

TEST(ApprovalToken, IsRefusedWhenSignedByAKeyOfAnotherRole) {
  const GaitStep& step = last_step("089_one_approver_ok");
  const keymgmt::KeySet keys = approval_keys(step);
  EXPECT_TRUE(judged_by(step, keys).approved);
  keymgmt::PublishedKey key = keys.keys().front();
  key.role = keymgmt::Role::Trace;
  const ApprovalJudgement refused = judged_by(step, keymgmt::KeySet(1, UtcTime(), {key}));
  EXPECT_FALSE(refused.approved);
  EXPECT_TRUE(has(refused.reason_codes, "approval_token_signature_invalid"));
}

TEST(ApprovalToken, CountsOnceHoweverOftenItIsPresented) {
  for (const char* name : {"098_copy_of_token", "099_WEAK_whitespace_forges_second_approver"}) {
    const GaitStep& step = last_step(name);
    const ApprovalJudgement judgement = judged_by(step, approval_keys(step));
    EXPECT_EQ(judgement.valid, 1) << name;
    EXPECT_FALSE(judgement.approved) << name;
    EXPECT_EQ(judgement.redeemable.size(), 1U) << name;
    EXPECT_TRUE(has(judgement.reason_codes, "approval_token_duplicate")) << name;
    EXPECT_TRUE(has(judgement.reason_codes, "approval_distinct_approvers_required")) << name;
  }
}

TEST(Approvers, AreDistinctOnlyIfTheyAreDifferentPeople) {
  const GaitStep& two = last_step("094_two_of_two");
  EXPECT_TRUE(judged_by(two, approval_keys(two)).approved);
  const GaitStep& spelled = last_step("100_WEAK_case_variant_approver");
  const ApprovalJudgement judgement = judged_by(spelled, approval_keys(spelled));
  EXPECT_EQ(judgement.valid, 2);
  EXPECT_FALSE(judgement.approved);
}

}  // namespace
}  // namespace countersign::gate
