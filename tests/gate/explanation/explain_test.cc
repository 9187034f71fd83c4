#include <gtest/gtest.h>

#include "gate/explanation/explanation.h"
#include "gate/explanation/policy_explain.h"
#include "gate/explanation/reason_code.h"

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

// gait-formats §7 and §8, and ours. Each must say what was looked at and what would change the answer.
constexpr std::string_view kEveryCode[] = {"agent_expired",
                                           "agent_lifecycle_state_invalid",
                                           "agent_manifest_mismatch",
                                           "agent_owner_missing",
                                           "agent_revoked",
                                           "agent_unknown",
                                           "approval_chain_insufficient",
                                           "approval_distinct_approvers_required",
                                           "approval_granted",
                                           "approval_token_consumed",
                                           "approval_token_delegation_binding_mismatch",
                                           "approval_token_duplicate",
                                           "approval_token_expired",
                                           "approval_token_foreign",
                                           "approval_token_future",
                                           "approval_token_intent_mismatch",
                                           "approval_token_invalid",
                                           "approval_token_max_ops_exceeded",
                                           "approval_token_max_targets_exceeded",
                                           "approval_token_missing",
                                           "approval_token_policy_mismatch",
                                           "approval_token_repeated",
                                           "approval_token_scope_mismatch",
                                           "approval_token_signature_invalid",
                                           "approval_token_signature_missing",
                                           "approved_script_match",
                                           "approved_script_not_found",
                                           "broker_credential_missing",
                                           "broker_credential_present",
                                           "broker_credential_ref_mismatch",
                                           "broker_credential_required",
                                           "broker_job_binding_mismatch",
                                           "broker_request_digest_mismatch",
                                           "broker_request_digest_missing",
                                           "broker_run_binding_mismatch",
                                           "broker_scope_mismatch",
                                           "broker_target_binding_mismatch",
                                           "broker_ttl_exceeded",
                                           "context_evidence_missing",
                                           "context_evidence_mode_mismatch",
                                           "context_freshness_exceeded",
                                           "context_set_digest_missing",
                                           "credential_access_type_disallowed",
                                           "credential_access_type_unknown",
                                           "credential_evidence_missing",
                                           "credential_issuer_disallowed",
                                           "credential_job_binding_mismatch",
                                           "credential_not_jit",
                                           "credential_run_binding_mismatch",
                                           "credential_source_disallowed",
                                           "credential_source_unknown",
                                           "credential_target_binding_mismatch",
                                           "credential_ttl_exceeded",
                                           "dataflow_tainted_destination",
                                           "default_allow",
                                           "default_block",
                                           "default_dry_run",
                                           "default_require_approval",
                                           "delegation_chain_insufficient",
                                           "delegation_granted",
                                           "delegation_token_chain_mismatch",
                                           "delegation_token_delegate_mismatch",
                                           "delegation_token_delegator_mismatch",
                                           "delegation_token_expired",
                                           "delegation_token_intent_mismatch",
                                           "delegation_token_invalid",
                                           "delegation_token_missing",
                                           "delegation_token_policy_mismatch",
                                           "delegation_token_scope_mismatch",
                                           "delegation_token_signature_invalid",
                                           "delegation_token_signature_missing",
                                           "destructive_apply_requires_approval",
                                           "destructive_budget_exceeded",
                                           "endpoint_destructive_operation",
                                           "endpoint_domain_denied",
                                           "endpoint_domain_not_allowlisted",
                                           "endpoint_egress_class_not_allowed",
                                           "endpoint_path_denied",
                                           "endpoint_path_not_allowlisted",
                                           "fail_closed_endpoint_class_unknown",
                                           "fail_closed_intent_invalid",
                                           "fail_closed_missing_targets",
                                           "freeze_window_active_block",
                                           "freeze_window_active_require_approval",
                                           "freeze_window_invalid_timezone",
                                           "freeze_window_invalid_window",
                                           "kill_switch_active",
                                           "kill_switch_agent_id_active",
                                           "kill_switch_environment_active",
                                           "kill_switch_identity_active",
                                           "kill_switch_path_active",
                                           "kill_switch_state_unavailable",
                                           "kill_switch_target_active",
                                           "kill_switch_tool_name_active",
                                           "kill_switch_workspace_active",
                                           "matched_rule_x",
                                           "not_script",
                                           "plan_phase_non_destructive",
                                           "rate_limit_exceeded",
                                           "sandbox_env_exposure_mode_disallowed",
                                           "sandbox_env_exposure_mode_missing",
                                           "sandbox_evidence_missing",
                                           "sandbox_filesystem_isolation_missing",
                                           "sandbox_metadata_missing",
                                           "sandbox_network_mode_disallowed",
                                           "sandbox_read_only_root_missing",
                                           "sandbox_timeout_exceeded",
                                           "sandbox_timeout_missing",
                                           "sandbox_user_mode_disallowed",
                                           "sandbox_writable_path_disallowed",
                                           "script_max_steps_exceeded",
                                           "script_mixed_risk_blocked",
                                           "script_step_threshold_approval",
                                           "simulate_mode_non_enforcing",
                                           "simulated_block",
                                           "standing_credential_disallowed"};

TEST(ReasonCode, HasARowForEveryCodeThereIs) {
  for (const std::string_view code : kEveryCode) {
    const ReasonCode* row = reason_code(code);
    ASSERT_NE(row, nullptr) << code;
    EXPECT_FALSE(row->evidence.empty()) << code;
    EXPECT_FALSE(row->would_change.empty()) << code;
  }
  EXPECT_EQ(reason_code("change_ticket_missing"), nullptr);
}

TEST(ReasonCode, HasNoRowThatAnEarlierOneHides) {
  const std::span<const ReasonCode> rows = reason_codes();
  for (std::size_t i = 0; i < rows.size(); ++i) {
    for (std::size_t j = i + 1; j < rows.size(); ++j) {
      EXPECT_FALSE(rows[j].prefix.starts_with(rows[i].prefix)) << rows[j].prefix << " is behind " << rows[i].prefix;
    }
  }
}

TEST(Explanation, NamesTheRuleThatDemandsApprovals) {
  const Policy policy = *Policy::parse(kPolicy);
  const JudgedIntent judged{*Intent::parse(intent("/etc/passwd")), {}};
  Decision decision = *evaluate(policy, judged, {}, UtcTime());
  decision.reason_codes.emplace_back("approval_token_missing");
  const Explanation out = explained(policy, judged, {}, decision, UtcTime());
  const ExplainedReason* said = reason(out, "approval_token_missing");
  ASSERT_NE(said, nullptr);
  EXPECT_EQ(said->rule, "writes");
  EXPECT_EQ(said->line, 19);
}

TEST(Explanation, TakesAPolicysOwnWordForNothingElse) {
  const Policy policy = *Policy::parse(
      "default_verdict: allow\nrules:\n  - name: r\n    effect: block\n    reason_codes: [approval_needed]\n");
  const JudgedIntent judged{*Intent::parse(intent("/srv/x")), {}};
  const Decision decision = *evaluate(policy, judged, {}, UtcTime());
  const Explanation out = explained(policy, judged, {}, decision, UtcTime());
  const ExplainedReason* said = reason(out, "approval_needed");
  ASSERT_NE(said, nullptr);
  EXPECT_EQ(said->member, "reason_codes");
  EXPECT_EQ(said->line, 5);
}

}  // namespace
}  // namespace countersign::gate
