#include "gate/explanation.h"

#include <algorithm>

#include "common/text.h"
#include "gate/optional_members.h"
#include "gate/rule_match.h"
#include "gate/rule_outcome.h"
#include "gate/rules_decision.h"

namespace countersign::gate {
namespace {

// What a reason code is about. The first row whose code begins with `prefix` counts.
struct ReasonRow {
  std::string_view prefix;
  std::string_view member;
  std::string_view evidence;
  std::string_view would_change;
};
constexpr ReasonRow kReasons[] = {
    {"matched_rule_", "match", "the members named in match", "an intent the rule does not match, or another effect"},
    {"default_", "default_verdict", "no rule matches", "a rule that matches this intent"},
    {"endpoint_path_denied", "endpoint.path_denylist", "intent targets[].value", "a path outside path_denylist"},
    {"endpoint_path_not_allowlisted", "endpoint.path_allowlist", "intent targets[].value",
     "a path in path_allowlist, without .."},
    {"endpoint_domain_denied", "endpoint.domain_denylist", "intent targets[].endpoint_domain",
     "a host outside domain_denylist"},
    {"endpoint_domain_not_allowlisted", "endpoint.domain_allowlist", "intent targets[].endpoint_domain",
     "a host in domain_allowlist"},
    {"endpoint_egress_class_not_allowed", "endpoint.egress_classes", "intent targets[].endpoint_class",
     "an endpoint class in egress_classes"},
    {"endpoint_destructive_operation", "endpoint.destructive_action", "intent targets[].destructive",
     "no destructive target"},
    {"endpoint_", "endpoint", "intent targets[]", "targets that the endpoint rule permits"},
    {"dataflow_", "dataflow", "intent arg_provenance[].source, targets[]",
     "arguments from untainted sources, or another destination"},
    {"context_set_digest_missing", "require_context_evidence", "--context-envelope",
     "a context envelope with its digest"},
    {"context_evidence_missing", "require_context_evidence", "--context-envelope", "a context envelope"},
    {"context_evidence_mode_mismatch", "required_context_evidence_mode", "--context-envelope, evidence_mode",
     "an envelope that says evidence_mode required"},
    {"context_freshness_exceeded", "max_context_age_seconds", "--context-envelope, records[].retrieved_at",
     "context gathered again, not older than max_context_age_seconds"},
    {"agent_revoked", "", "intent context.agent_identity.revoked", "an agent that is not revoked"},
    {"agent_owner_missing", "require_agent_owner", "intent context.agent_identity.owner", "an agent with an owner"},
    {"agent_lifecycle_state_invalid", "required_agent_lifecycle_states",
     "intent context.agent_identity.lifecycle_states", "an agent in every required state"},
    {"agent_expired", "require_unexpired_agent", "intent context.agent_identity.expires_at",
     "an agent whose identity has not expired"},
    {"agent_manifest_mismatch", "required_agent_manifest_digest", "intent context.agent_identity",
     "an agent with the required manifest, publisher and source"},
    {"agent_", "allowed_agent_ids", "intent context.agent_id, context.agent_identity", "a declared and allowed agent"},
    {"credential_ttl_exceeded", "max_credential_ttl_seconds", "intent context.credential_ttl_seconds",
     "a credential that lives shorter"},
    {"credential_not_jit", "require_jit_credential", "intent context.credential_access_type",
     "a credential issued just in time"},
    {"standing_credential_disallowed", "block_standing_credentials", "intent context.credential_access_type",
     "a credential that is not standing"},
    {"credential_source_disallowed", "allowed_credential_sources", "intent context.credential_source",
     "a source in allowed_credential_sources"},
    {"credential_issuer_disallowed", "allowed_credential_issuers", "intent context.credential_issuer",
     "an issuer in allowed_credential_issuers"},
    {"credential_access_type_disallowed", "allowed_credential_access_types", "intent context.credential_access_type",
     "an access type in allowed_credential_access_types"},
    {"credential_target_binding_mismatch", "", "intent context.credential_target_binding, targets",
     "a credential bound to these targets"},
    {"credential_run_binding_mismatch", "", "intent context.credential_run_binding, run_id",
     "a credential bound to this run"},
    {"credential_job_binding_mismatch", "", "intent context.credential_job_binding, job_id",
     "a credential bound to this job"},
    {"credential_", "", "intent context.credential_*", "the credential's reference, source, access type and lifetime"},
    {"broker_", "require_broker_credential", "--credential-broker", "a brokered credential that fits the rule"},
    {"freeze_window_", "freeze_window", "the time of evaluation, intent context.environment and risk_class",
     "a time outside the window, or a policy whose windows can be read"},
    {"sandbox_", "sandbox", "intent context.sandbox", "sandbox evidence that meets the rule"},
    {"plan_phase_non_destructive", "", "intent context.phase, targets[].destructive",
     "phase apply with its approvals, or no destructive target"},
    {"destructive_apply_requires_approval", "", "intent context.phase, targets[].destructive",
     "the approvals with every required scope, or no destructive target"},
    {"fail_closed_missing_", "fail_closed.required_fields", "the intent's member of that name", "that member"},
    {"fail_closed_", "fail_closed", "intent targets[].endpoint_class", "targets with a known endpoint class"},
    {"script_max_steps_exceeded", "scripts.max_steps", "intent script.steps", "fewer steps"},
    {"script_step_threshold_approval", "scripts.require_approval_above", "intent script.steps",
     "fewer steps, or the approvals"},
    {"script_mixed_risk_blocked", "scripts.block_mixed_risk", "intent script.steps[].targets",
     "steps of one risk class"},
    {"kill_switch_", "", "--kill-switch-state", "the entry is disabled or expires"},
    {"rate_limit_exceeded", "rate_limit", "the counter of the window", "the next window"},
    {"destructive_budget_exceeded", "destructive_budget", "the counter of the window", "the next window"},
    {"delegation_", "match.require_delegation", "--delegation-token", "delegation tokens for every link"},
    {"approval_", "min_approvals", "--approval-token, --approval-token-chain",
     "enough approvals from different people, with every required scope"},
};

ExplainedReason reason_of(const std::string& code, const Rule* rule, const SourceLines& lines) {
  ExplainedReason out;
  out.code = code;
  if (rule != nullptr) out.rule = rule->name;
  const auto* row = std::find_if(std::begin(kReasons), std::end(kReasons),
                                 [&code](const ReasonRow& each) { return code.starts_with(each.prefix); });
  if (row == std::end(kReasons)) {
    // A word of the policy's own: reason_codes of the rule.
    out.member = "reason_codes";
    out.evidence = "the rule matches";
    out.would_change = "an intent the rule does not match";
  } else {
    out.member = row->member;
    out.evidence = row->evidence;
    out.would_change = row->would_change;
  }
  out.line = lines.of(out.member);
  return out;
}

class Explainer {
 public:
  Explainer(const Policy& policy, UtcTime now, Explanation& out) : policy_(policy), now_(now), out_(out) {}

  // The rules on one intent, or one step.
  void add_rules(const JudgedIntent& judged, std::int64_t step) {
    const std::vector<const Rule*> rules = rules_for(policy_, judged.intent);
    std::vector<RuleOutcome> outcomes;
    Verdict strictest = Verdict::Allow;
    for (const Rule* rule : rules) {
      outcomes.push_back(outcome_of(*rule, judged, now_));
      strictest = std::max(strictest, outcomes.back().effect);
    }
    for (std::size_t i = 0; i < rules.size(); ++i) {
      const Rule& rule = *rules[i];
      const bool decides = outcomes[i].effect == strictest;
      out_.rules.push_back(
          {rule.name, rule.priority, rule.effect, outcomes[i].effect, rule.lines.of("effect"), decides});
      if (!decides) continue;
      for (const std::string& code : outcomes[i].reasons) add(reason_of(code, &rule, rule.lines), step);
    }
  }

  // What no rule said: the policy as a whole, or what was decided after the rules.
  void add_rest(const Texts& codes) {
    for (const std::string& code : codes) {
      const bool known = std::any_of(out_.reasons.begin(), out_.reasons.end(),
                                     [&code](const ExplainedReason& reason) { return reason.code == code; });
      if (!known) add(reason_of(code, nullptr, policy_.lines()), -1);
    }
  }

 private:
  void add(ExplainedReason reason, std::int64_t step) {
    reason.step = step;
    out_.reasons.push_back(std::move(reason));
  }

  const Policy& policy_;
  UtcTime now_;
  Explanation& out_;
};

}  // namespace

Explanation explained(const Policy& policy, const JudgedIntent& judged, const Evidence& evidence,
                      const Decision& decision, UtcTime now) {
  Explanation out;
  out.default_line = policy.lines().of("default_verdict");
  Explainer explainer(policy, now, out);
  const bool rules_were_read = !decision.matched_rule.empty();
  if (rules_were_read && !judged.intent.is_script()) explainer.add_rules(judged, -1);
  for (const StepVerdict& verdict : decision.step_verdicts) {
    JudgedIntent step{judged.intent.step(static_cast<std::size_t>(verdict.index)), judged.context};
    if (evidence.inventory) step = with_inventory(std::move(step), *evidence.inventory);
    explainer.add_rules(step, verdict.index);
  }
  explainer.add_rest(decision.reason_codes);
  return out;
}

Json Explanation::json() const {
  Json::Array rule_rows;
  for (const ExplainedRule& rule : rules) {
    Json row = Json::object({{"name", rule.name},
                             {"priority", Json(rule.priority)},
                             {"effect", Json(statement::name_of(rule.effect))},
                             {"verdict", Json(statement::name_of(rule.verdict))},
                             {"decides", rule.decides}});
    put(row, "line", std::int64_t{rule.line});
    rule_rows.push_back(std::move(row));
  }
  Json::Array reason_rows;
  for (const ExplainedReason& reason : reasons) {
    Json row = Json::object({{"code", reason.code}});
    put(row, "rule", reason.rule);
    put(row, "member", reason.member);
    put(row, "line", std::int64_t{reason.line});
    put(row, "evidence", reason.evidence);
    put(row, "would_change", reason.would_change);
    if (reason.step >= 0) row.set("step", Json(reason.step));
    reason_rows.push_back(std::move(row));
  }
  Json out = Json::object({{"rules", Json(std::move(rule_rows))}, {"reasons", Json(std::move(reason_rows))}});
  put(out, "default_line", std::int64_t{default_line});
  return out;
}

}  // namespace countersign::gate
