#include "gate/policy/policy_rules.h"

#include <algorithm>

#include "common/text.h"
#include "gate/document/gait_fields.h"
#include "gate/document/paths.h"
#include "gate/intent/endpoint.h"

namespace countersign::gate {
namespace {

// `field` is the member's path within its rule.
Error refused(std::string field, std::string detail) {
  return Error{ErrorCode::Invalid, std::move(detail)}.at(std::move(field));
}

std::string normal(std::string_view text) {
  return lowered(trimmed(text));
}

// What a constraint may do to a verdict: it only restricts.
Result<Verdict> constraint_of(std::string_view text, Verdict otherwise, const std::string& what,
                              const std::string& rule) {
  const std::string name = normal(text);
  if (name.empty()) return otherwise;
  const std::optional<Verdict> verdict = statement::verdict_named(name);
  if (verdict == Verdict::Block || verdict == Verdict::RequireApproval) return *verdict;
  return refused(what, "unsupported " + what + " \"" + name + "\" for " + rule);
}

Status check_match(RawRule& raw) {
  Match& match = raw.rule.match;
  const std::string& name = raw.rule.name;
  match.tool_names.push_back(raw.tool_name);
  match.endpoint_classes.insert(match.endpoint_classes.end(), raw.endpoint_class.begin(), raw.endpoint_class.end());
  for (Texts* lower : {&match.tool_names, &match.risk_classes, &match.target_kinds, &match.endpoint_classes,
                       &match.discovery_methods, &match.skill_publishers, &match.skill_sources, &match.data_classes,
                       &match.destination_kinds, &match.destination_operations, &match.provenance_sources,
                       &match.context_tool_names, &match.context_data_classes, &match.context_endpoint_classes,
                       &match.context_autonomy_levels, &match.delegation_scopes}) {
    *lower = text_set(*lower, true);
  }
  for (Texts* kept : {&match.target_values, &match.destination_values, &match.identities, &match.workspace_prefixes,
                      &match.allowed_delegator_identities, &match.allowed_delegate_identities}) {
    *kept = text_set(*kept, false);
  }
  for (const std::string& endpoint_class : match.endpoint_classes) {
    if (!is_endpoint_class(endpoint_class)) {
      return refused("match.endpoint_classes",
                     "unsupported match endpoint_class \"" + endpoint_class + "\" for " + name);
    }
  }
  for (std::string& method : match.discovery_methods) {
    std::replace_if(
        method.begin(), method.end(), [](char c) { return c == '-' || c == ' '; }, '_');
    if (!is_discovery_method(method)) {
      return refused("match.discovery_method", "unsupported match discovery_method \"" + method + "\" for " + name);
    }
  }
  match.discovery_methods = text_set(match.discovery_methods, true);
  if (match.max_delegation_depth && *match.max_delegation_depth < 0) {
    return refused("match.max_delegation_depth", "max_delegation_depth must be >= 0 for " + name);
  }
  return ok();
}

Status check_endpoint(RawRule& raw) {
  EndpointRule& rule = raw.endpoint.rule;
  const std::string& name = raw.rule.name;
  rule.path_allowlist = text_set(rule.path_allowlist, false);
  rule.path_denylist = text_set(rule.path_denylist, false);
  rule.domain_allowlist = text_set(rule.domain_allowlist, true);
  rule.domain_denylist = text_set(rule.domain_denylist, true);
  rule.egress_classes = text_set(rule.egress_classes, true);
  for (const std::string& egress : rule.egress_classes) {
    if (!is_endpoint_class(egress)) {
      return refused("endpoint.egress_classes", "unsupported endpoint.egress_class \"" + egress + "\" for " + name);
    }
    if (!is_network_class(egress)) {
      return refused("endpoint.egress_classes", "endpoint.egress_class must be network class for " + name);
    }
  }
  const std::string destructive = normal(raw.endpoint.destructive_action);
  rule.reason_code = std::string(trimmed(rule.reason_code));
  rule.violation = std::string(trimmed(rule.violation));
  if (rule.reason_code.empty()) rule.reason_code = "endpoint_constraint_violation";
  if (rule.violation.empty()) rule.violation = "endpoint_constraint_violation";
  const bool enabled = raw.endpoint.enabled || !destructive.empty() || !rule.path_allowlist.empty() ||
                       !rule.path_denylist.empty() || !rule.domain_allowlist.empty() || !rule.domain_denylist.empty() ||
                       !rule.egress_classes.empty();
  if (!enabled) return ok();
  ASSIGN_OR_RETURN(rule.action, constraint_of(raw.endpoint.action, rule.action, "endpoint.action", name));
  if (!destructive.empty()) {
    ASSIGN_OR_RETURN(rule.destructive_action,
                     constraint_of(destructive, Verdict::Block, "endpoint.destructive_action", name));
  }
  raw.rule.endpoint = std::move(rule);
  return ok();
}

Status check_dataflow(RawRule& raw) {
  DataflowRule& rule = raw.dataflow.rule;
  rule.tainted_sources = text_set(rule.tainted_sources, true);
  rule.destination_kinds = text_set(rule.destination_kinds, true);
  rule.destination_values = text_set(rule.destination_values, false);
  rule.destination_operations = text_set(rule.destination_operations, true);
  const bool enabled = raw.dataflow.enabled || !rule.tainted_sources.empty() || !rule.destination_kinds.empty() ||
                       !rule.destination_values.empty() || !rule.destination_operations.empty();
  if (!enabled) return ok();
  if (rule.tainted_sources.empty()) rule.tainted_sources = {"external", "tool_output"};
  ASSIGN_OR_RETURN(rule.action, constraint_of(raw.dataflow.action, rule.action, "dataflow.action", raw.rule.name));
  rule.reason_code = std::string(trimmed(rule.reason_code));
  rule.violation = std::string(trimmed(rule.violation));
  if (rule.reason_code.empty()) rule.reason_code = "dataflow_tainted_destination";
  if (rule.violation.empty()) rule.violation = "tainted_dataflow";
  raw.rule.dataflow = std::move(rule);
  return ok();
}

Status check_context(RawRule& raw) {
  Rule& rule = raw.rule;
  const std::string mode = normal(raw.required_context_evidence_mode);
  if (!mode.empty() && mode != "required") {
    return refused("required_context_evidence_mode",
                   "required_context_evidence_mode must be required for " + rule.name);
  }
  if (rule.max_context_age_seconds < 0) {
    return refused("max_context_age_seconds", "max_context_age_seconds must be >= 0 for " + rule.name);
  }
  rule.context_mode_required = mode == "required" || rule.require_context_evidence;
  return ok();
}

Status check_agent(Rule& rule) {
  rule.allowed_agent_ids = text_set(rule.allowed_agent_ids, false);
  rule.denied_agent_ids = text_set(rule.denied_agent_ids, false);
  rule.required_agent_manifest_digest = normal(rule.required_agent_manifest_digest);
  if (!rule.required_agent_manifest_digest.empty() && !is_digest_text(rule.required_agent_manifest_digest)) {
    return refused("required_agent_manifest_digest",
                   "required_agent_manifest_digest must be sha256 hex for " + rule.name);
  }
  rule.allowed_agent_manifest_publishers = text_set(rule.allowed_agent_manifest_publishers, true);
  rule.allowed_agent_manifest_sources = text_set(rule.allowed_agent_manifest_sources, true);
  rule.required_agent_lifecycle_states = text_set(rule.required_agent_lifecycle_states, true);
  return ok();
}

Status check_credential(Rule& rule) {
  static const Texts kSources = {"aws_iam_user", "aws_sts",    "azure_federated",
                                 "command",      "env",        "gcp_sts",
                                 "github_oidc",  "github_pat", "kubernetes_service_account",
                                 "stub",         "unknown",    "vault_dynamic"};
  static const Texts kAccessTypes = {"cloud_admin", "inherited", "jit", "standing", "static", "unknown"};
  rule.broker_reference = std::string(trimmed(rule.broker_reference));
  rule.broker_scopes = text_set(rule.broker_scopes, true);
  ASSIGN_OR_RETURN(rule.allowed_credential_sources,
                   known_set(rule.allowed_credential_sources, kSources, "allowed_credential_sources",
                             "unsupported allowed_credential_source for " + rule.name));
  rule.allowed_credential_issuers = text_set(rule.allowed_credential_issuers, false);
  ASSIGN_OR_RETURN(rule.allowed_credential_access_types,
                   known_set(rule.allowed_credential_access_types, kAccessTypes, "allowed_credential_access_types",
                             "unsupported allowed_credential_access_type for " + rule.name));
  if (rule.max_credential_ttl_seconds < 0) {
    return refused("max_credential_ttl_seconds", "max_credential_ttl_seconds must be >= 0 for " + rule.name);
  }
  return ok();
}

Status check_freeze(RawRule& raw) {
  FreezeRule& rule = raw.freeze_window.rule;
  const std::string& name = raw.rule.name;
  rule.timezone = std::string(trimmed(rule.timezone));
  rule.reason = std::string(trimmed(rule.reason));
  rule.environments = text_set(rule.environments, true);
  rule.risk_classes = text_set(rule.risk_classes, true);
  const std::string effect = normal(raw.freeze_window.effect);
  const bool enabled = raw.freeze_window.enabled || !rule.timezone.empty() || !rule.reason.empty() ||
                       !rule.environments.empty() || !rule.risk_classes.empty() || !rule.windows.empty() ||
                       !effect.empty();
  if (!enabled) return ok();
  if (rule.timezone.empty()) {
    return refused("freeze_window.timezone", "freeze_window.timezone is required for " + name);
  }
  if (!effect.empty()) {
    ASSIGN_OR_RETURN(rule.effect, constraint_of(effect, rule.effect, "freeze_window.effect", name));
  }
  if (rule.windows.empty()) {
    return refused("freeze_window.windows", "freeze_window.windows must not be empty for " + name);
  }
  for (std::size_t i = 0; i < rule.windows.size(); ++i) {
    FreezeWindow& window = rule.windows[i];
    window.name = std::string(trimmed(window.name));
    window.start = std::string(trimmed(window.start));
    window.end = std::string(trimmed(window.end));
    if (window.name.empty()) window.name = "window-" + std::to_string(i + 1);
    if (window.start.empty() || window.end.empty()) {
      return refused("freeze_window.windows[" + std::to_string(i) + (window.start.empty() ? "].start" : "].end"),
                     "freeze_window.windows require start and end for " + name);
    }
  }
  raw.rule.freeze_window = std::move(rule);
  return ok();
}

Texts cleaned_paths(const Texts& paths) {
  Texts out;
  for (const std::string& path : paths) {
    const std::string_view text = trimmed(path);
    if (text.empty()) continue;
    std::string clean = cleaned_path(text);
    if (clean != ".") out.push_back(std::move(clean));
  }
  return text_set(out, false);
}

Status check_sandbox(RawRule& raw) {
  SandboxRule& rule = raw.sandbox.rule;
  rule.allowed_network_modes = text_set(rule.allowed_network_modes, true);
  rule.allowed_writable_path_prefixes = cleaned_paths(rule.allowed_writable_path_prefixes);
  rule.required_read_only_roots = cleaned_paths(rule.required_read_only_roots);
  rule.allowed_env_exposure_modes = text_set(rule.allowed_env_exposure_modes, true);
  rule.allowed_filesystem_isolations = text_set(rule.allowed_filesystem_isolations, true);
  rule.allowed_user_modes = text_set(rule.allowed_user_modes, true);
  if (rule.max_timeout_seconds < 0) {
    return refused("sandbox.max_timeout_seconds", "sandbox.max_timeout_seconds must be >= 0 for " + raw.rule.name);
  }
  const bool enabled = raw.sandbox.enabled || rule.max_timeout_seconds > 0 || !rule.allowed_network_modes.empty() ||
                       !rule.allowed_writable_path_prefixes.empty() || !rule.required_read_only_roots.empty() ||
                       !rule.allowed_env_exposure_modes.empty() || !rule.allowed_filesystem_isolations.empty() ||
                       !rule.allowed_user_modes.empty();
  if (enabled) raw.rule.sandbox = std::move(rule);
  return ok();
}

Result<std::optional<RateRule>> checked_rate(RateRule rate, const std::string& what, const std::string& name) {
  rate.window = normal(rate.window);
  rate.scope = normal(rate.scope);
  if (rate.requests < 0) return refused(what + ".requests", what + ".requests must be >= 0 for " + name);
  const bool asks = !rate.window.empty() || !rate.scope.empty();
  if (rate.requests == 0 && asks && what == "destructive_budget") {
    return refused(what + ".requests", what + ".requests must be >= 1 for " + name);
  }
  if (rate.requests == 0) return std::optional<RateRule>();  // gait does not look at the rest of a limit without number
  if (rate.window.empty()) rate.window = "minute";
  if (rate.scope.empty()) rate.scope = "tool_identity";
  if (rate.window != "minute" && rate.window != "hour") {
    return refused(what + ".window", "unsupported " + what + ".window \"" + rate.window + "\" for " + name);
  }
  if (rate.scope != "tool" && rate.scope != "identity" && rate.scope != "tool_identity") {
    return refused(what + ".scope", "unsupported " + what + ".scope \"" + rate.scope + "\" for " + name);
  }
  return std::optional<RateRule>(std::move(rate));
}

Status check_effect(RawRule& raw) {
  const std::string& name = raw.rule.name;
  const std::string effect = normal(raw.effect);
  const std::string action = normal(raw.action);
  if (effect.empty() && action.empty()) return refused("effect", "rule effect is required for " + name);
  if (!effect.empty() && !action.empty() && effect != action)
    return refused("action", "rule action must match effect for " + name);
  const std::string& given = effect.empty() ? action : effect;
  const std::optional<Verdict> verdict = statement::verdict_named(given);
  if (!verdict)
    return refused(effect.empty() ? "action" : "effect", "invalid rule effect \"" + given + "\" for " + name);
  raw.rule.effect = *verdict;
  return ok();
}

}  // namespace

Result<Verdict> verdict_of(std::string_view text, const std::string& field, const std::string& what) {
  const std::string name = normal(text);
  const std::optional<Verdict> verdict = statement::verdict_named(name);
  if (!verdict) return refused(field, what + ": " + name);
  return *verdict;
}

Result<Texts> known_set(const Texts& texts, const Texts& known, const std::string& field, const std::string& what) {
  Texts out = text_set(texts, true);
  for (const std::string& text : out) {
    if (std::find(known.begin(), known.end(), text) == known.end()) return refused(field, what + ": " + text);
  }
  return out;
}

Result<Rule> checked_rule(RawRule raw) {
  Rule& rule = raw.rule;
  rule.name = std::string(trimmed(rule.name));
  if (rule.name.empty()) return refused("name", "rule name is required");
  RETURN_IF_ERROR(check_effect(raw));
  rule.reason_codes = text_set(rule.reason_codes, false);
  rule.violations = text_set(rule.violations, false);
  if (rule.min_approvals < 0) return refused("min_approvals", "min_approvals must be >= 0 for " + rule.name);
  if (rule.min_approvals > 1) rule.require_distinct_approvers = true;
  RETURN_IF_ERROR(check_match(raw));
  RETURN_IF_ERROR(check_endpoint(raw));
  RETURN_IF_ERROR(check_dataflow(raw));
  RETURN_IF_ERROR(check_context(raw));
  RETURN_IF_ERROR(check_agent(rule));
  RETURN_IF_ERROR(check_credential(rule));
  RETURN_IF_ERROR(check_freeze(raw));
  RETURN_IF_ERROR(check_sandbox(raw));
  ASSIGN_OR_RETURN(rule.rate_limit, checked_rate(raw.rate_limit, "rate_limit", rule.name));
  ASSIGN_OR_RETURN(rule.destructive_budget, checked_rate(raw.destructive_budget, "destructive_budget", rule.name));
  return std::move(rule);
}

}  // namespace countersign::gate
