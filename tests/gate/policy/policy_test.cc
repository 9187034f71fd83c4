// What a policy may say: each refusal beside the sentence it guards.
#include "gate/policy/policy.h"

#include <gtest/gtest.h>

#include <string>

#include "gate/decision/rule_outcome.h"
#include "gate/intent/intent.h"

namespace countersign::gate {
namespace {

std::string with_rule(const std::string& members) {
  return "rules:\n- {name: a, effect: allow, match: {tool_names: [x]}, " + members + "}\n";
}

struct Case {
  const char* accepted;
  const char* refused;
  const char* says;  // part of the error
};

TEST(Policy, RefusesWhatARuleMayNotSay) {
  const Case cases[] = {
      {"min_approvals: 2", "min_approvals: -1", "min_approvals must be >= 0 for a"},
      {"max_context_age_seconds: 5", "max_context_age_seconds: -5", "max_context_age_seconds"},
      {"required_context_evidence_mode: Required", "required_context_evidence_mode: best_effort",
       "required_context_evidence_mode"},
      {"allowed_credential_sources: [ENV]", "allowed_credential_sources: [paper]", "allowed_credential_source"},
      {"allowed_credential_access_types: [jit]", "allowed_credential_access_types: [ever]", "access_type"},
      {"max_credential_ttl_seconds: 1", "max_credential_ttl_seconds: -1", "max_credential_ttl_seconds"},
      {"endpoint: {egress_classes: [net.dns]}", "endpoint: {egress_classes: [fs.read]}", "must be network class"},
      {"endpoint: {destructive_action: block}", "endpoint: {destructive_action: burn}", "destructive_action"},
      {"dataflow: {tainted_sources: [user], action: block}", "dataflow: {tainted_sources: [user], action: no}",
       "dataflow.action"},
      {"rate_limit: {requests: 3, window: hour}", "rate_limit: {requests: 3, window: day}", "rate_limit.window"},
      {"rate_limit: {requests: 3, scope: tool}", "rate_limit: {requests: 3, scope: all}", "rate_limit.scope"},
      {"destructive_budget: {requests: 1}", "destructive_budget: {window: hour}", "destructive_budget.requests"},
      {"freeze_window: {timezone: UTC, windows: [{start: s, end: e}]}", "freeze_window: {timezone: UTC}", "windows"},
      {"freeze_window: {timezone: UTC, effect: block, windows: [{start: s, end: e}]}",
       "freeze_window: {timezone: UTC, effect: allow, windows: [{start: s, end: e}]}", "freeze_window.effect"},
      {"sandbox: {max_timeout_seconds: 9}", "sandbox: {max_timeout_seconds: -9}", "max_timeout_seconds"},
      {"required_agent_manifest_digest: ''", "required_agent_manifest_digest: abc", "sha256 hex"},
      {"priority: -3", "priority: many",
       "[2:64] cannot unmarshal string into Go struct field Policy.Rules of type int"},
      {"require_jit_credential: true", "require_jit_credential: 'true'", "of type bool"},
      {"violations: [v, 1]", "violations: {v: 1}", "sequence is expected"},
      {"broker_scopes: []", "broker_scope: []", "unknown field"},
  };
  for (const Case& row : cases) {
    const Result<Policy> accepted = Policy::parse(with_rule(row.accepted));
    EXPECT_TRUE(accepted) << row.accepted << ": " << (accepted ? "" : accepted.error().detail);
    const Result<Policy> refused = Policy::parse(with_rule(row.refused));
    ASSERT_FALSE(refused) << row.refused;
    EXPECT_EQ(refused.error().code, ErrorCode::Invalid) << row.refused;
    EXPECT_NE(refused.error().detail.find(row.says), std::string::npos) << refused.error().detail;
  }
}

TEST(Policy, RefusesWhatTheDocumentMayNotSay) {
  const Case cases[] = {
      {"default_verdict: Block", "default_verdict: perhaps", "invalid default_verdict"},
      {"default_action: block\ndefault_verdict: block", "default_action: block\ndefault_verdict: allow", "must match"},
      {"schema_id: gait.gate.policy", "schema_id: other", "schema_id"},
      {"fail_closed: {required_fields: [targets]}", "fail_closed: {required_fields: [luck]}", "required_field: luck"},
      {"fail_closed: {required_high_risk_fields: [repo]}", "fail_closed: {required_high_risk_fields: [luck]}", "luck"},
      {"mcp_trust: {snapshot: s, min_score: 1}", "mcp_trust: {snapshot: s, min_score: 1.1}", "min_score"},
      {"mcp_trust: {snapshot: s, max_age: 90m}", "mcp_trust: {max_age: 90m}", "snapshot is required"},
      {"scripts: {max_steps: 3}", "scripts: {max_steps: -3}", "max_steps"},
      {"rules: []", "rules: {}", "sequence is expected"},
      {"rules:", "- rules", "mapping is expected"},
  };
  for (const Case& row : cases) {
    const Result<Policy> accepted = Policy::parse(row.accepted);
    EXPECT_TRUE(accepted) << row.accepted << ": " << (accepted ? "" : accepted.error().detail);
    const Result<Policy> refused = Policy::parse(row.refused);
    ASSERT_FALSE(refused) << row.refused;
    EXPECT_NE(refused.error().detail.find(row.says), std::string::npos) << refused.error().detail;
  }
}

TEST(PolicyDigest, IsTheSameForTheSameMeaning) {
  const std::string plain = "rules:\n- {name: a, effect: allow, match: {tool_names: [x, y]}}\n";
  const std::string spelled =
      "# a comment\nschema_id: gait.gate.policy\ndefault_action: REQUIRE_APPROVAL\n"
      "rules:\n- match: {tool_name: Y, tool_names: [' X ']}\n  action: Allow\n  name: ' a '\n  endpoint: {}\n";
  EXPECT_EQ(Policy::parse(plain)->policy_digest(), Policy::parse(spelled)->policy_digest());
  const std::string other = "rules:\n- {name: a, effect: allow, match: {tool_names: [x]}}\n";
  EXPECT_NE(Policy::parse(plain)->policy_digest(), Policy::parse(other)->policy_digest());
}

// A rule that wants two approvals wants two people.
TEST(Policy, MakesSeveralApprovalsDistinct) {
  EXPECT_TRUE(Policy::parse(with_rule("min_approvals: 2"))->rules()[0].require_distinct_approvers);
  EXPECT_FALSE(Policy::parse(with_rule("min_approvals: 1"))->rules()[0].require_distinct_approvers);
}

TEST(Intent, RefusesWhatGaitRefusesAndNoFixtureHolds) {
  const auto intent = [](const std::string& members, const std::string& context) {
    return Intent::parse(std::string(R"({"tool_name":"x",)") + members +
                         R"("context":{"identity":"a","workspace":"/w",)" + R"("risk_class":"low")" + context + "}}");
  };
  ASSERT_TRUE(intent("", ""));
  const std::pair<const char*, const char*> refused[] = {
      {R"("targets":[{"kind":"path","value":"/a","destructive":"yes"}],)", ""},
      {R"("skill_provenance":{"skill_name":"s","source":"u","publisher":"p","digest":"short"},)", ""},
      {R"("delegation":{"requester_identity":"r","chain":[{"delegator_identity":"a"}]},)", ""},
      {R"("delegation":{"requester_identity":"r","issued_at":"2026-01-02T00:00:00Z","expires_at":"2026-01-01T00:00:00Z"},)",
       ""},
      {"", R"(,"credential_source":"paper")"},
      {"", R"(,"credential_ttl_seconds":1.5)"},
      {"", R"(,"sandbox":{"network_mode":"half"})"},
      {"", R"(,"sandbox":{"writable_paths":["HOME=/x"]})"},
      {"", R"(,"sandbox":{"timeout_seconds":-1})"},
      {"", R"(,"sandbox":{"evidence_ref":"abcdefgh12345678"})"},
      {"", R"(,"auth_context":{"token":"abcdefgh12345678"})"},
      {"", R"(,"Identity":"b")"},
  };
  for (const auto& [members, context] : refused) {
    const Result<Intent> result = intent(members, context);
    ASSERT_FALSE(result) << members << context;
    EXPECT_EQ(result.error().code, ErrorCode::Invalid);
  }
  EXPECT_TRUE(intent("", R"(,"sandbox":{"evidence_ref":"receipt:abcdefgh12345678"})"));
}

}  // namespace
}  // namespace countersign::gate
