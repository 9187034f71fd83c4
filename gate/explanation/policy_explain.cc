#include "gate/explanation/policy_explain.h"

#include <algorithm>

#include "common/text.h"
#include "gate/decision/decision_parts.h"
#include "gate/decision/rule_match.h"
#include "gate/document/optional_members.h"

namespace countersign::gate {
namespace {

constexpr std::string_view kMissing = "fail_closed_missing_";

// Reason codes that say what the intent or the call lacks.
struct MissingField {
  std::string_view code;
  std::string_view field;
};
constexpr MissingField kMissingFields[] = {{"credential_evidence_missing", "credential_evidence"},
                                           {"sandbox_metadata_missing", "sandbox"},
                                           {"sandbox_evidence_missing", "sandbox_evidence"},
                                           {"kill_switch_state_unavailable", "kill_switch_state"},
                                           {"broker_credential_missing", "broker_credential"}};

Texts missing_fields(const Texts& reasons) {
  Texts out;
  for (const std::string& reason : reasons) {
    if (reason.starts_with(kMissing)) out.push_back(reason.substr(kMissing.size()));
    const auto* row = std::find_if(std::begin(kMissingFields), std::end(kMissingFields),
                                   [&reason](const MissingField& each) { return each.code == reason; });
    if (row != std::end(kMissingFields)) out.emplace_back(row->field);
  }
  make_set(out);
  return out;
}

Texts fail_closed_reasons(const Texts& reasons) {
  Texts out;
  for (const std::string& reason : reasons) {
    if (reason.starts_with("fail_closed_")) out.push_back(reason);
  }
  return out;
}

Json::Array matched_rules(const Policy& policy, const Texts& names) {
  Json::Array out;
  for (const Rule& rule : policy.rules()) {
    if (!holds(names, rule.name)) continue;
    out.push_back(Json::object(
        {{"name", rule.name}, {"priority", Json(rule.priority)}, {"effect", Json(statement::name_of(rule.effect))}}));
  }
  return out;
}

// What the matched rules demand of a delegation's scope.
Texts delegation_scopes(const Policy& policy, const Texts& names) {
  Texts out;
  for (const Rule& rule : policy.rules()) {
    if (holds(names, rule.name)) add_all(out, rule.match.delegation_scopes);
  }
  make_set(out);
  return out;
}

Json credential_posture(const IntentContext& context) {
  const bool said = !context.credential_ref.empty() || !context.credential_source.empty() ||
                    !context.credential_access_type.empty() || !context.credential_issuer.empty() ||
                    context.credential_ttl_seconds != 0;
  Json out = Json::object({{"present", !context.credential_ref.empty()}});
  if (!said) return out;
  put(out, "source", context.credential_source);
  put(out, "access_type", context.credential_access_type);
  put(out, "issuer", context.credential_issuer);
  put(out, "ttl_seconds", context.credential_ttl_seconds);
  put(out, "credential_ref", context.credential_ref);
  return out;
}

std::string_view context_status(const ContextEvidence& context) {
  const bool complete = !context.set_digest.empty() && !context.refs.empty();
  if (context.mode == "required") return complete ? "verified" : "missing";
  return context.set_digest.empty() && context.refs.empty() ? "not_required" : "present";
}

}  // namespace

Json policy_explain(const ExplainInputs& inputs) {
  const Decision& decision = inputs.decision;
  const Texts names = decision.rule_names();
  Json out = Json::object({{"ok", true},
                           {"schema_id", "gait.gate.policy_explain"},
                           {"schema_version", "1.0.0"},
                           {"created_at", inputs.created_at.rfc3339()},
                           {"producer_version", COUNTERSIGN_VERSION},
                           {"verdict", Json(statement::name_of(decision.verdict))}});
  put(out, "matched_rule", decision.matched_rule);
  if (Json::Array rules = matched_rules(inputs.policy, names); !rules.empty()) {
    out.set("matched_rules", Json(std::move(rules)));
  }
  put(out, "reason_codes", decision.reason_codes);
  put(out, "violations", decision.violations);
  put(out, "missing_fields", missing_fields(decision.reason_codes));
  put(out, "fail_closed_reason_codes", fail_closed_reasons(decision.reason_codes));
  put_flag(out, "approval_required", decision.verdict == Verdict::RequireApproval);
  put(out, "required_approvals", decision.required_approvals);
  put(out, "valid_approvals", inputs.valid_approvals);
  put_flag(out, "require_broker_credential", decision.broker.required);
  put(out, "broker_reference", decision.broker.reference);
  put(out, "broker_scopes", decision.broker.scopes);
  put_flag(out, "require_delegation", decision.delegation_required);
  if (decision.delegation_required) put(out, "required_delegation_scopes", delegation_scopes(inputs.policy, names));
  out.set("credential_posture", credential_posture(inputs.judged.intent.context()));
  out.set("context_evidence_status", Json(context_status(inputs.judged.context)));
  put_member(out, "freeze_window", decision.freeze_window);
  put_member(out, "kill_switch", decision.kill_switch);
  put_member(out, "sandbox", decision.sandbox);
  Json proofs{Json::Object{}};
  put(proofs, "trace_id", inputs.trace_id);
  put(proofs, "trace_path", inputs.trace_path);
  put(proofs, "approval_audit_path", inputs.approval_audit_path);
  put(proofs, "delegation_audit_path", inputs.delegation_audit_path);
  put(proofs, "credential_evidence_path", inputs.credential_evidence_path);
  out.set("proof_refs", std::move(proofs));
  return out;
}

}  // namespace countersign::gate
