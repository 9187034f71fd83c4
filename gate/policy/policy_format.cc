#include "gate/policy/policy_format.h"

#include <algorithm>

#include "common/clock.h"
#include "common/text.h"
#include "gate/policy/policy.h"
#include "gate/policy/policy_reader.h"
#include "gate/policy/yaml_writer.h"

namespace countersign::gate {
namespace {

std::string normal(std::string_view text) {
  return lowered(trimmed(text));
}

std::string_view text_of(Verdict verdict) {
  return statement::name_of(verdict);
}

// gait writes the aliases as they stand beside the lists they were added to.
void write_match(const RawRule& raw, const Match& match, YamlWriter& out) {
  out.open("match");
  out.text("tool_name", raw.tool_name);
  out.texts("tool_names", match.tool_names);
  out.texts("risk_classes", match.risk_classes);
  out.texts("target_kinds", match.target_kinds);
  out.texts("target_values", match.target_values);
  out.texts("endpoint_class", raw.endpoint_class);
  out.texts("endpoint_classes", match.endpoint_classes);
  out.texts("discovery_method", match.discovery_methods);
  out.open("tool_annotations");
  out.optional_flag("readOnlyHint", match.tool_annotations.read_only);
  out.optional_flag("destructiveHint", match.tool_annotations.destructive);
  out.optional_flag("idempotentHint", match.tool_annotations.idempotent);
  out.optional_flag("openWorldHint", match.tool_annotations.open_world);
  out.close();
  out.texts("skill_publishers", match.skill_publishers);
  out.texts("skill_sources", match.skill_sources);
  out.texts("data_classes", match.data_classes);
  out.texts("destination_kinds", match.destination_kinds);
  out.texts("destination_values", match.destination_values);
  out.texts("destination_operations", match.destination_operations);
  out.texts("provenance_sources", match.provenance_sources);
  out.texts("identities", match.identities);
  out.texts("workspace_prefixes", match.workspace_prefixes);
  out.texts("context_tool_names", match.context_tool_names);
  out.texts("context_data_classes", match.context_data_classes);
  out.texts("context_endpoint_classes", match.context_endpoint_classes);
  out.texts("context_autonomy_levels", match.context_autonomy_levels);
  out.flag("require_delegation", match.require_delegation);
  out.texts("allowed_delegator_identities", match.allowed_delegator_identities);
  out.texts("allowed_delegate_identities", match.allowed_delegate_identities);
  out.texts("delegation_scopes", match.delegation_scopes);
  out.optional_integer("max_delegation_depth", match.max_delegation_depth);
  out.close();
}

void write_endpoint(const RawEndpoint& raw, const std::optional<EndpointRule>& endpoint, YamlWriter& out) {
  const EndpointRule rule = endpoint.value_or(EndpointRule{});
  out.open("endpoint");
  out.flag("enabled", endpoint.has_value());
  out.texts("path_allowlist", rule.path_allowlist);
  out.texts("path_denylist", rule.path_denylist);
  out.texts("domain_allowlist", rule.domain_allowlist);
  out.texts("domain_denylist", rule.domain_denylist);
  out.texts("egress_classes", rule.egress_classes);
  out.text("action", endpoint ? text_of(rule.action) : normal(raw.action));
  out.text("destructive_action", rule.destructive_action ? text_of(*rule.destructive_action) : "");
  out.text("reason_code", endpoint ? rule.reason_code : trimmed(raw.rule.reason_code));
  out.text("violation", endpoint ? rule.violation : trimmed(raw.rule.violation));
  out.close();
}

void write_demands(const Rule& rule, YamlWriter& out) {
  out.texts("reason_codes", rule.reason_codes);
  out.texts("violations", rule.violations);
  out.flag("require_declared_agent", rule.require_declared_agent);
  out.texts("allowed_agent_ids", rule.allowed_agent_ids);
  out.texts("denied_agent_ids", rule.denied_agent_ids);
  out.text("required_agent_manifest_digest", rule.required_agent_manifest_digest);
  out.texts("allowed_agent_manifest_publishers", rule.allowed_agent_manifest_publishers);
  out.texts("allowed_agent_manifest_sources", rule.allowed_agent_manifest_sources);
  out.texts("required_agent_lifecycle_states", rule.required_agent_lifecycle_states);
  out.flag("require_agent_owner", rule.require_agent_owner);
  out.flag("require_unexpired_agent", rule.require_unexpired_agent);
  out.flag("block_standing_credentials", rule.block_standing_credentials);
  out.texts("allowed_credential_sources", rule.allowed_credential_sources);
  out.texts("allowed_credential_issuers", rule.allowed_credential_issuers);
  out.texts("allowed_credential_access_types", rule.allowed_credential_access_types);
  out.integer("max_credential_ttl_seconds", rule.max_credential_ttl_seconds);
  out.flag("require_jit_credential", rule.require_jit_credential);
  out.integer("min_approvals", rule.min_approvals);
  out.flag("require_distinct_approvers", rule.require_distinct_approvers);
  out.flag("require_context_evidence", rule.require_context_evidence);
  out.text("required_context_evidence_mode", rule.context_mode_required ? "required" : "");
  out.integer("max_context_age_seconds", rule.max_context_age_seconds);
  out.flag("require_broker_credential", rule.require_broker_credential);
  out.text("broker_reference", rule.broker_reference);
  out.texts("broker_scopes", rule.broker_scopes);
}

void write_freeze(const std::optional<FreezeRule>& freeze, YamlWriter& out) {
  const FreezeRule rule = freeze.value_or(FreezeRule{});
  out.open("freeze_window");
  out.flag("enabled", freeze.has_value());
  out.text("timezone", rule.timezone);
  out.text("effect", freeze ? text_of(rule.effect) : "");
  out.text("reason", rule.reason);
  out.texts("environments", rule.environments);
  out.texts("risk_classes", rule.risk_classes);
  out.open_list("windows", rule.windows.empty());
  for (const FreezeWindow& window : rule.windows) {
    out.open_element();
    out.text("name", window.name);
    out.text("start", window.start);
    out.text("end", window.end);
    out.close_element();
  }
  out.close();
}

void write_sandbox(const std::optional<SandboxRule>& sandbox, YamlWriter& out) {
  const SandboxRule rule = sandbox.value_or(SandboxRule{});
  out.open("sandbox");
  out.flag("enabled", sandbox.has_value());
  out.texts("allowed_network_modes", rule.allowed_network_modes);
  out.texts("allowed_writable_path_prefixes", rule.allowed_writable_path_prefixes);
  out.texts("required_read_only_roots", rule.required_read_only_roots);
  out.texts("allowed_env_exposure_modes", rule.allowed_env_exposure_modes);
  out.integer("max_timeout_seconds", rule.max_timeout_seconds);
  out.texts("allowed_filesystem_isolations", rule.allowed_filesystem_isolations);
  out.texts("allowed_user_modes", rule.allowed_user_modes);
  out.close();
}

void write_rate(std::string_view name, const RateRule& raw, const std::optional<RateRule>& rate, YamlWriter& out) {
  out.open(name);
  out.integer("requests", rate ? rate->requests : 0);
  out.text("window", rate ? rate->window : normal(raw.window));
  out.text("scope", rate ? rate->scope : normal(raw.scope));
  out.close();
}

void write_dataflow(const RawDataflow& raw, const std::optional<DataflowRule>& dataflow, YamlWriter& out) {
  const DataflowRule rule = dataflow.value_or(DataflowRule{});
  out.open("dataflow");
  out.flag("enabled", dataflow.has_value());
  out.texts("tainted_sources", rule.tainted_sources);
  out.texts("destination_kinds", rule.destination_kinds);
  out.texts("destination_values", rule.destination_values);
  out.texts("destination_operations", rule.destination_operations);
  out.text("action", dataflow ? text_of(rule.action) : normal(raw.action));
  out.text("reason_code", dataflow ? rule.reason_code : trimmed(raw.rule.reason_code));
  out.text("violation", dataflow ? rule.violation : trimmed(raw.rule.violation));
  out.close();
}

void write_rule(const RawRule& raw, const Rule& rule, YamlWriter& out) {
  out.open_element();
  out.text("name", rule.name);
  out.integer("priority", rule.priority);
  out.text("effect", text_of(rule.effect));
  out.text("action", raw.action);
  write_match(raw, rule.match, out);
  write_endpoint(raw.endpoint, rule.endpoint, out);
  write_demands(rule, out);
  write_freeze(rule.freeze_window, out);
  write_sandbox(rule.sandbox, out);
  write_rate("rate_limit", raw.rate_limit, rule.rate_limit, out);
  write_rate("destructive_budget", raw.destructive_budget, rule.destructive_budget, out);
  write_dataflow(raw.dataflow, rule.dataflow, out);
  out.close_element();
}

void write_scripts_and_fail_closed(const Policy& policy, YamlWriter& out) {
  out.open("scripts");
  out.integer("max_steps", policy.scripts().max_steps);
  out.integer("require_approval_above", policy.scripts().require_approval_above);
  out.flag("block_mixed_risk", policy.scripts().block_mixed_risk);
  out.close();
  const FailClosed& closed = policy.fail_closed();
  out.open("fail_closed");
  out.flag("enabled", closed.enabled);
  out.texts("risk_classes", closed.risk_classes);
  out.texts("required_fields", closed.required_fields);
  out.texts("required_high_risk_fields", closed.required_high_risk_fields);
  out.close();
}

void write_mcp_trust(const RawMcpTrust& raw, const std::optional<McpTrust>& given, YamlWriter& out) {
  const McpTrust trust = given.value_or(McpTrust{});
  out.open("mcp_trust");
  out.flag("enabled", given.has_value());
  out.text("snapshot", trust.snapshot);
  out.text("action", given ? text_of(trust.action) : "");
  out.texts("required_risk_classes", trust.required_risk_classes);
  out.number("min_score", raw.trust.min_score);
  out.text("max_age", trust.max_age.count() == 0 ? "" : duration_text(trust.max_age));
  out.texts("publisher_allowlist", trust.publisher_allowlist);
  out.flag("require_registry", trust.require_registry);
  out.close();
}

}  // namespace

Result<std::string> formatted_policy(std::string_view yaml) {
  ASSIGN_OR_RETURN(const Policy policy, Policy::parse(yaml));
  ASSIGN_OR_RETURN(RawPolicy raw, read_policy(yaml));
  std::stable_sort(raw.rules.begin(), raw.rules.end(), [](const RawRule& a, const RawRule& b) {
    if (a.rule.priority != b.rule.priority) return a.rule.priority < b.rule.priority;
    return trimmed(a.rule.name) < trimmed(b.rule.name);
  });
  YamlWriter out;
  out.text("schema_id", policy.schema_id());
  out.text("schema_version", policy.schema_version());
  out.text("default_verdict", text_of(policy.default_verdict()));
  out.text("default_action", raw.default_action);
  write_scripts_and_fail_closed(policy, out);
  write_mcp_trust(raw.mcp_trust, policy.mcp_trust(), out);
  out.open_list("rules", policy.rules().empty());
  // The elements of the top list stand at its own indentation.
  for (std::size_t i = 0; i < policy.rules().size(); ++i) write_rule(raw.rules[i], policy.rules()[i], out);
  return out.take();
}

}  // namespace countersign::gate
