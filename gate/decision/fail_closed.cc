#include "gate/decision/fail_closed.h"

#include <algorithm>

#include "gate/decision/rule_match.h"

namespace countersign::gate {
namespace {

bool has_unknown_class(const std::vector<Target>& targets) {
  return std::any_of(targets.begin(), targets.end(), [](const Target& target) {
    return target.endpoint_class.empty() || target.endpoint_class == "other";
  });
}

bool lacks_field(const std::string& field, const JudgedIntent& judged) {
  const IntentFields& fields = judged.intent.fields();
  if (field == "targets") return fields.targets.empty();
  if (field == "arg_provenance") return fields.arg_provenance.empty();
  if (field == "endpoint_class") return has_unknown_class(fields.targets);
  if (field == "delegation") return !fields.delegation.has_value();
  return judged.context.set_digest.empty();  // context_evidence
}

bool lacks_high_risk_field(const std::string& field, const IntentContext& context) {
  struct Row {
    std::string_view name;
    bool absent;
  };
  const Row rows[] = {
      {"agent_id", context.agent_id.empty()},
      {"agent_identity", !context.agent_identity.has_value()},
      {"run_id", context.run_id.empty()},
      {"workflow_id", context.workflow_id.empty()},
      {"repo", context.repo.empty()},
      {"environment", context.environment.empty()},
      {"credential_ref", context.credential_ref.empty()},
      {"credential_source", context.credential_source.empty()},
      {"credential_access_type", context.credential_access_type.empty()},
      {"credential_issuer", context.credential_issuer.empty()},
      {"credential_ttl_seconds", context.credential_ttl_seconds == 0},
      {"approval_ref", context.approval_ref.empty()},
      {"wrkr_inventory_ref", context.wrkr_inventory_ref.empty()},
      {"agent_action_bom_ref", context.agent_action_bom_ref.empty()},
  };
  const auto* row = std::find_if(std::begin(rows), std::end(rows), [&field](const Row& r) { return r.name == field; });
  return row == std::end(rows) || row->absent;  // a field nobody knows is missing
}

}  // namespace

std::optional<FailClosedFindings> fail_closed_findings(const FailClosed& rules, const JudgedIntent& judged) {
  const IntentContext& context = judged.intent.context();
  if (!rules.enabled || !holds(rules.risk_classes, context.risk_class)) return std::nullopt;
  FailClosedFindings out;
  const auto add = [&out](const std::string& field) {
    const bool is_context = field == "context_evidence";
    out.reasons.push_back(is_context ? "context_evidence_missing" : "fail_closed_missing_" + field);
    out.violations.push_back("missing_" + field);
    out.has_context_reason = out.has_context_reason || is_context;
  };
  for (const std::string& field : rules.required_fields) {
    if (lacks_field(field, judged)) add(field);
  }
  for (const std::string& field : rules.required_high_risk_fields) {
    if (lacks_high_risk_field(field, context)) add(field);
  }
  if (has_unknown_class(judged.intent.fields().targets)) {
    out.reasons.emplace_back("fail_closed_endpoint_class_unknown");
    out.violations.emplace_back("endpoint_class_unknown");
  }
  if (out.reasons.empty()) return std::nullopt;
  return out;
}

}  // namespace countersign::gate
