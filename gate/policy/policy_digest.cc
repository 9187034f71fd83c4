// The form of a policy that is hashed (gait-formats §6.3): the effective values under gait's own names.
#include "common/clock.h"
#include "gate/document/optional_members.h"
#include "gate/policy/policy.h"

namespace countersign::gate {
namespace {

Json text_of(Verdict verdict) {
  return Json(statement::name_of(verdict));
}

Json json_of(const ToolAnnotations& annotations) {
  Json out{Json::Object{}};
  if (annotations.read_only) out.set("ReadOnlyHint", Json(*annotations.read_only));
  if (annotations.destructive) out.set("DestructiveHint", Json(*annotations.destructive));
  if (annotations.idempotent) out.set("IdempotentHint", Json(*annotations.idempotent));
  if (annotations.open_world) out.set("OpenWorldHint", Json(*annotations.open_world));
  return out;
}

Json json_of(const Match& match) {
  Json out = Json::object({{"ToolNames", Json::array(match.tool_names)},
                           {"RiskClasses", Json::array(match.risk_classes)},
                           {"TargetKinds", Json::array(match.target_kinds)},
                           {"TargetValues", Json::array(match.target_values)},
                           {"ProvenanceSources", Json::array(match.provenance_sources)},
                           {"Identities", Json::array(match.identities)},
                           {"WorkspacePrefixes", Json::array(match.workspace_prefixes)}});
  put(out, "EndpointClasses", match.endpoint_classes);
  put(out, "DiscoveryMethods", match.discovery_methods);
  if (match.tool_annotations.any()) out.set("ToolAnnotations", json_of(match.tool_annotations));
  put(out, "SkillPublishers", match.skill_publishers);
  put(out, "SkillSources", match.skill_sources);
  put(out, "DataClasses", match.data_classes);
  put(out, "DestinationKinds", match.destination_kinds);
  put(out, "DestinationValues", match.destination_values);
  put(out, "DestinationOps", match.destination_operations);
  put(out, "ContextToolNames", match.context_tool_names);
  put(out, "ContextDataClasses", match.context_data_classes);
  put(out, "ContextEndpointClasses", match.context_endpoint_classes);
  put(out, "ContextAutonomyLevels", match.context_autonomy_levels);
  put_flag(out, "RequireDelegation", match.require_delegation);
  put(out, "AllowedDelegatorIdentities", match.allowed_delegator_identities);
  put(out, "AllowedDelegateIdentities", match.allowed_delegate_identities);
  put(out, "DelegationScopes", match.delegation_scopes);
  if (match.max_delegation_depth) out.set("MaxDelegationDepth", Json(*match.max_delegation_depth));
  return out;
}

Json json_of(const FreezeRule& freeze) {
  Json::Array windows;
  for (const FreezeWindow& window : freeze.windows) {
    windows.push_back(Json::object({{"Name", window.name}, {"Start", window.start}, {"End", window.end}}));
  }
  return Json::object({{"Enabled", true},
                       {"Timezone", freeze.timezone},
                       {"Effect", text_of(freeze.effect)},
                       {"Reason", freeze.reason},
                       {"Environments", Json::array(freeze.environments)},
                       {"RiskClasses", Json::array(freeze.risk_classes)},
                       {"Windows", Json(std::move(windows))}});
}

// gait leaves an empty list of paths nil, which its encoder writes as null.
Json list_or_null(const Texts& texts) {
  return texts.empty() ? Json() : Json::array(texts);
}

Json json_of(const SandboxRule& sandbox) {
  return Json::object({{"Enabled", true},
                       {"AllowedNetworkModes", Json::array(sandbox.allowed_network_modes)},
                       {"AllowedWritablePathPrefixes", list_or_null(sandbox.allowed_writable_path_prefixes)},
                       {"RequiredReadOnlyRoots", list_or_null(sandbox.required_read_only_roots)},
                       {"AllowedEnvExposureModes", Json::array(sandbox.allowed_env_exposure_modes)},
                       {"MaxTimeoutSeconds", Json(sandbox.max_timeout_seconds)},
                       {"AllowedFilesystemIsolations", Json::array(sandbox.allowed_filesystem_isolations)},
                       {"AllowedUserModes", Json::array(sandbox.allowed_user_modes)}});
}

Json json_of(const RateRule& rate) {
  return Json::object({{"Requests", Json(rate.requests)}, {"Window", rate.window}, {"Scope", rate.scope}});
}

Json json_of(const DataflowRule& dataflow) {
  Json out = Json::object({{"Enabled", true},
                           {"TaintedSources", Json::array(dataflow.tainted_sources)},
                           {"Action", text_of(dataflow.action)},
                           {"ReasonCode", dataflow.reason_code},
                           {"Violation", dataflow.violation}});
  put(out, "DestinationKinds", dataflow.destination_kinds);
  put(out, "DestinationValues", dataflow.destination_values);
  put(out, "DestinationOperations", dataflow.destination_operations);
  return out;
}

Json json_of(const EndpointRule& endpoint) {
  return Json::object(
      {{"Enabled", true},
       {"PathAllowlist", Json::array(endpoint.path_allowlist)},
       {"PathDenylist", Json::array(endpoint.path_denylist)},
       {"DomainAllowlist", Json::array(endpoint.domain_allowlist)},
       {"DomainDenylist", Json::array(endpoint.domain_denylist)},
       {"EgressClasses", Json::array(endpoint.egress_classes)},
       {"Action", text_of(endpoint.action)},
       {"DestructiveAction", endpoint.destructive_action ? text_of(*endpoint.destructive_action) : Json("")},
       {"ReasonCode", endpoint.reason_code},
       {"Violation", endpoint.violation}});
}

void put_agent_and_credential(Json& out, const Rule& rule) {
  put_flag(out, "RequireDeclaredAgent", rule.require_declared_agent);
  put(out, "AllowedAgentIDs", rule.allowed_agent_ids);
  put(out, "DeniedAgentIDs", rule.denied_agent_ids);
  put(out, "RequiredAgentManifestDigest", rule.required_agent_manifest_digest);
  put(out, "AllowedAgentManifestPublishers", rule.allowed_agent_manifest_publishers);
  put(out, "AllowedAgentManifestSources", rule.allowed_agent_manifest_sources);
  put(out, "RequiredAgentLifecycleStates", rule.required_agent_lifecycle_states);
  put_flag(out, "RequireAgentOwner", rule.require_agent_owner);
  put_flag(out, "RequireUnexpiredAgent", rule.require_unexpired_agent);
  put_flag(out, "BlockStandingCredentials", rule.block_standing_credentials);
  put(out, "AllowedCredentialSources", rule.allowed_credential_sources);
  put(out, "AllowedCredentialIssuers", rule.allowed_credential_issuers);
  put(out, "AllowedCredentialAccessTypes", rule.allowed_credential_access_types);
  put(out, "MaxCredentialTTLSeconds", rule.max_credential_ttl_seconds);
  put_flag(out, "RequireJITCredential", rule.require_jit_credential);
}

Json json_of(const Rule& rule) {
  Json out = Json::object({{"Name", rule.name},
                           {"Priority", Json(rule.priority)},
                           {"Effect", text_of(rule.effect)},
                           {"Match", json_of(rule.match)},
                           {"ReasonCodes", Json::array(rule.reason_codes)},
                           {"Violations", Json::array(rule.violations)}});
  put(out, "MinApprovals", rule.min_approvals);
  put_agent_and_credential(out, rule);
  put_flag(out, "RequireDistinctApprovers", rule.require_distinct_approvers);
  put_flag(out, "RequireContextEvidence", rule.require_context_evidence);
  if (rule.context_mode_required) out.set("RequiredContextEvidenceMode", Json("required"));
  put(out, "MaxContextAgeSeconds", rule.max_context_age_seconds);
  put_flag(out, "RequireBrokerCredential", rule.require_broker_credential);
  put(out, "BrokerReference", rule.broker_reference);
  put(out, "BrokerScopes", rule.broker_scopes);
  if (rule.freeze_window) out.set("FreezeWindow", json_of(*rule.freeze_window));
  if (rule.sandbox) out.set("Sandbox", json_of(*rule.sandbox));
  if (rule.rate_limit) out.set("RateLimit", json_of(*rule.rate_limit));
  if (rule.destructive_budget) out.set("DestructiveBudget", json_of(*rule.destructive_budget));
  if (rule.dataflow) out.set("Dataflow", json_of(*rule.dataflow));
  if (rule.endpoint) out.set("Endpoint", json_of(*rule.endpoint));
  return out;
}

Json json_of(const McpTrust& trust) {
  return Json::object({{"Enabled", true},
                       {"SnapshotPath", trust.snapshot},
                       {"Action", text_of(trust.action)},
                       {"RequiredRiskClasses", Json::array(trust.required_risk_classes)},
                       {"MinScore", Json(trust.min_score)},
                       {"MaxAge", trust.max_age.count() == 0 ? "" : duration_text(trust.max_age)},
                       {"PublisherAllowlist", Json::array(trust.publisher_allowlist)},
                       {"RequireRegistry", Json(trust.require_registry)}});
}

}  // namespace

Json Policy::digest_form() const {
  Json closed = Json::object({{"Enabled", Json(fail_closed_.enabled)},
                              {"RiskClasses", Json::array(fail_closed_.risk_classes)},
                              {"RequiredFields", Json::array(fail_closed_.required_fields)}});
  put(closed, "RequiredHighRiskFields", fail_closed_.required_high_risk_fields);
  Json::Array rules;
  for (const Rule& rule : rules_) rules.push_back(json_of(rule));
  Json out = Json::object({{"SchemaID", schema_id_},
                           {"SchemaVersion", schema_version_},
                           {"DefaultVerdict", text_of(default_verdict_)},
                           {"FailClosed", std::move(closed)},
                           {"Rules", Json(std::move(rules))}});
  if (scripts_.max_steps != 0 || scripts_.require_approval_above != 0 || scripts_.block_mixed_risk) {
    out.set("Scripts", Json::object({{"MaxSteps", Json(scripts_.max_steps)},
                                     {"RequireApprovalAbove", Json(scripts_.require_approval_above)},
                                     {"BlockMixedRisk", Json(scripts_.block_mixed_risk)}}));
  }
  if (mcp_trust_) out.set("MCPTrust", json_of(*mcp_trust_));
  return out;
}

}  // namespace countersign::gate
