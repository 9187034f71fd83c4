// The trace and the approval audit that a decision gives rise to are gait's, member by member, and the signer takes
// them.
#include "gate/trace/trace.h"

#include <gtest/gtest.h>

#include <cstdio>
#include <string>

#include "signer/statement/statement.h"
#include "tests/gate/replay.h"

namespace countersign::gate {
namespace {

TraceInputs inputs_of(const GaitStep& step, const Outcome& outcome) {
  const auto reference = step.flags.find("--approval-token-ref");
  return {outcome.policy,
          outcome.judged,
          outcome.decision,
          outcome.judged.intent.intent_digest(),
          outcome.policy.policy_digest(),
          reference == step.flags.end() ? outcome.judgement.approval_ref : reference->second,
          "",
          0.25};
}

// Members of `theirs` that `ours` lacks or spells otherwise, and the other way round, without those the signer sets.
std::string differences(const Json& ours, const Json& theirs) {
  const auto is_set_by_signer = [](const std::string& name) {
    return name == "schema_id" || name == "schema_version" || name == "producer_version" || name == "latency_ms";
  };
  std::string out;
  for (const Json::Member& member : theirs.as_object()) {
    if (is_set_by_signer(member.first)) continue;
    const Json* mine = ours.find(member.first);
    if (mine == nullptr || !(mine->canonical() == member.second.canonical())) {
      out += member.first + ": " + (mine == nullptr ? "-" : mine->canonical()) + " for " + member.second.canonical() +
             "; ";
    }
  }
  for (const Json::Member& member : ours.as_object()) {
    if (!is_set_by_signer(member.first) && theirs.find(member.first) == nullptr)
      out += member.first + " is ours alone; ";
  }
  return out;
}

bool is_compared(const GaitStep& step, const Result<Outcome>& outcome) {
  return outcome && !deliberate_differences().contains(step.name) && stricter(step) == nullptr &&
         !is_left_to_caller(step, outcome->decision);
}

TEST(TraceFields, EqualTheMembersOfGaitsTraces) {
  int compared = 0;
  for (const GaitStep& step : gait_cases().steps) {
    if (step.trace == nullptr || !is_evaluated(step)) continue;
    const Result<Outcome> outcome = replay(step);
    if (!is_compared(step, outcome)) continue;
    const TraceInputs inputs = inputs_of(step, *outcome);
    const statement::TraceFields fields = trace_fields(inputs);
    Json members = fields.fields;
    members.set("trace_id", Json(statement::trace_id(inputs.policy_digest, inputs.intent_digest, fields.verdict)));
    EXPECT_EQ(differences(members, *step.trace), "") << step.name;
    ++compared;
  }
  std::printf("traces compared: %d\n", compared);
  EXPECT_GE(compared, 250);
}

TEST(TraceFields, AreTakenByTheSigner) {
  int taken = 0;
  for (const GaitStep& step : gait_cases().steps) {
    if (!is_evaluated(step)) continue;
    const Result<Outcome> outcome = replay(step);
    if (!outcome) continue;
    const TraceInputs inputs = inputs_of(step, *outcome);
    const auto statement =
        statement::Statement::parse(statement::StatementType::Trace, trace_statement(trace_fields(inputs)));
    ASSERT_TRUE(statement) << step.name << ": " << statement.error().detail;
    EXPECT_EQ(statement->trace()->facts.reason_codes, outcome->decision.reason_codes) << step.name;
    EXPECT_EQ(statement->trace()->facts.requester, outcome->judged.intent.context().identity) << step.name;
    const auto document = statement->rebuild({step.now(), 7, ""});
    ASSERT_TRUE(document) << step.name;
    EXPECT_EQ(document->document().root().text_of("trace_id"),
              statement::trace_id(inputs.policy_digest, inputs.intent_digest, outcome->decision.verdict));
    ++taken;
  }
  EXPECT_GE(taken, 250);
}

TEST(ApprovalAudit, EqualsGaits) {
  int compared = 0;
  for (const GaitStep& step : gait_cases().steps) {
    if (step.audit == nullptr || !is_evaluated(step)) continue;
    const Result<Outcome> outcome = replay(step);
    if (!is_compared(step, outcome)) continue;
    const TraceInputs inputs = inputs_of(step, *outcome);
    const Json ours = approval_audit_fields(inputs, std::string(step.audit->text("trace_id")), outcome->judgement);
    Json theirs = *step.audit;
    // Deliberate: gait writes null for an empty list and approves by count alone.
    if (theirs.find("entries")->is_null()) theirs.set("entries", Json(Json::Array{}));
    if (step.name == "096_same_approver_twice") theirs.set("approved", Json(false));
    EXPECT_EQ(differences(ours, theirs), "") << step.name;
    const auto statement = statement::Statement::parse(statement::StatementType::ApprovalAudit, ours);
    EXPECT_TRUE(statement) << step.name << ": " << statement.error().detail;
    ++compared;
  }
  std::printf("audits compared: %d\n", compared);
  EXPECT_GE(compared, 60);
}

}  // namespace
}  // namespace countersign::gate
