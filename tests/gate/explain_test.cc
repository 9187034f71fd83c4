#include <gtest/gtest.h>

#include "gate/explanation.h"
#include "gate/policy_explain.h"

namespace countersign::gate {
namespace {

constexpr std::string_view kPolicy = R"(schema_id: gait.gate.policy
default_verdict: block
fail_closed:
  enabled: true
  required_fields: [arg_provenance]
rules:
  - name: weaker
    priority: 1
    effect: allow
  - name: writes
    priority: 1
    effect: allow
    match:
      tool_names: [db.save]
    endpoint:
      path_allowlist:
        - /srv/**
      action: require_approval
    min_approvals: 2
)";

std::string intent(const char* path, const char* risk = "low") {
  return std::string(R"({"tool_name":"db.save","args":{},"targets":[{"kind":"path","operation":"write","value":")") +
         path + R"("}],"context":{"identity":"a","workspace":"/w","risk_class":")" + risk + R"("}})";
}

struct Explained {
  Decision decision;
  Explanation explanation;
};

Explained explain(const std::string& json) {
  const Policy policy = *Policy::parse(kPolicy);
  const JudgedIntent judged{*Intent::parse(json), {}};
  const Decision decision = *evaluate(policy, judged, {}, UtcTime());
  return {decision, explained(policy, judged, {}, decision, UtcTime())};
}

const ExplainedReason* reason(const Explanation& explanation, std::string_view code) {
  for (const ExplainedReason& each : explanation.reasons) {
    if (each.code == code) return &each;
  }
  return nullptr;
}

TEST(Explanation, NamesTheRuleTheLineTheEvidenceAndTheWayOut) {
  const Explained out = explain(intent("/etc/passwd"));
  ASSERT_EQ(out.decision.verdict, Verdict::RequireApproval);
  ASSERT_EQ(out.explanation.rules.size(), 2U);
  EXPECT_FALSE(out.explanation.rules[0].decides);
  EXPECT_EQ(out.explanation.rules[1].line, 12);
  EXPECT_EQ(out.explanation.rules[1].effect, Verdict::Allow);
  EXPECT_EQ(out.explanation.rules[1].verdict, Verdict::RequireApproval);
  const ExplainedReason* found = reason(out.explanation, "endpoint_path_not_allowlisted");
  ASSERT_NE(found, nullptr);
  EXPECT_EQ(found->rule, "writes");
  EXPECT_EQ(found->line, 17);
  EXPECT_NE(found->evidence.find("targets[].value"), std::string::npos);
  EXPECT_FALSE(found->would_change.empty());
}

TEST(Explanation, OfWhatNoRuleSaidNamesThePolicysOwnMember) {
  const Explained out = explain(intent("/srv/a", "high"));
  const ExplainedReason* found = reason(out.explanation, "fail_closed_missing_arg_provenance");
  ASSERT_NE(found, nullptr);
  EXPECT_TRUE(found->rule.empty());
  EXPECT_EQ(found->line, 5);
  EXPECT_TRUE(out.explanation.rules.empty());
}

TEST(Explanation, ExplainsEveryReasonOfTheDecision) {
  for (const std::string& json : {intent("/etc/passwd"), intent("/srv/a"), intent("/srv/a", "critical")}) {
    const Explained out = explain(json);
    for (const std::string& code : out.decision.reason_codes) {
      EXPECT_NE(reason(out.explanation, code), nullptr) << code;
    }
  }
}

TEST(Explanation, KnowsTheStepOfAScript) {
  const Explained out = explain(
      R"({"tool_name":"script","args":{},"context":{"identity":"a","workspace":"/w","risk_class":"low"},"script":{"steps":[
         {"tool_name":"x","args":{}},
         {"tool_name":"db.save","args":{},"targets":[{"kind":"path","operation":"write","value":"/etc/x"}]}]}})");
  const ExplainedReason* found = reason(out.explanation, "endpoint_path_not_allowlisted");
  ASSERT_NE(found, nullptr);
  EXPECT_EQ(found->step, 1);
}

TEST(PolicyExplain, HasGaitsMembers) {
  const Policy policy = *Policy::parse(kPolicy);
  const JudgedIntent judged{*Intent::parse(intent("/srv/a", "high")), {}};
  const Decision decision = *evaluate(policy, judged, {}, UtcTime());
  const Json json =
      policy_explain({policy, judged, decision, 0, judged.intent.fields().created_at, "id", "t.json", "", "", ""});
  EXPECT_EQ(json.text("schema_id"), "gait.gate.policy_explain");
  EXPECT_EQ(*json.find("missing_fields"), Json::array({"arg_provenance"}));
  EXPECT_EQ(*json.find("fail_closed_reason_codes"), Json::array({"fail_closed_missing_arg_provenance"}));
  EXPECT_EQ(json.find("matched_rules"), nullptr);
  EXPECT_EQ(json.text("context_evidence_status"), "not_required");
  EXPECT_EQ(*json.find("credential_posture"), Json::object({{"present", false}}));
  EXPECT_EQ(*json.find("proof_refs"), Json::object({{"trace_id", "id"}, {"trace_path", "t.json"}}));
}

}  // namespace
}  // namespace countersign::gate
