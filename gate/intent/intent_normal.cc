// Normalisation of an intent: gait-formats §5.2, in its order.
#include <algorithm>
#include <span>

#include "common/text.h"
#include "gate/document/paths.h"
#include "gate/intent/credential_scan.h"
#include "gate/intent/endpoint.h"
#include "gate/intent/free_data.h"
#include "gate/intent/intent_reader.h"

namespace countersign::gate {
namespace {

constexpr std::size_t kMostSteps = 64;
constexpr std::string_view kAgeClaim = "context_age_seconds";

constexpr std::string_view kProvenanceSources[] = {"user", "tool_output", "external", "system"};
constexpr std::string_view kCredentialSources[] = {"aws_iam_user", "aws_sts",    "azure_federated",
                                                   "command",      "env",        "gcp_sts",
                                                   "github_oidc",  "github_pat", "kubernetes_service_account",
                                                   "stub",         "unknown",    "vault_dynamic"};
constexpr std::string_view kAccessTypes[] = {"cloud_admin", "inherited", "jit", "standing", "static", "unknown"};
constexpr std::string_view kEvidenceModes[] = {"best_effort", "required"};
constexpr std::string_view kNetworkModes[] = {"disabled", "egress_allowlist", "full"};
constexpr std::string_view kExposureModes[] = {"allowlist", "full", "none"};
constexpr std::string_view kIsolations[] = {"container", "none", "workspace"};
constexpr std::string_view kUserModes[] = {"default", "root", "unprivileged"};

Error refused(std::string field, std::string detail) {
  return Error{ErrorCode::Invalid, std::move(detail)}.at(std::move(field));
}

void trim(std::string& text) {
  text = std::string(trimmed(text));
}

void trim_and_lower(std::string& text) {
  text = lowered(trimmed(text));
}

// `what` is the member's path, as gait names it too.
Status require_known(std::string_view value, std::span<const std::string_view> known, const std::string& what) {
  if (value.empty() || std::find(known.begin(), known.end(), value) != known.end()) return ok();
  return refused(what, "unsupported " + what + ": " + std::string(value));
}

Status require_digest(std::string_view value, const std::string& what) {
  if (value.empty() || is_digest_text(value)) return ok();
  return refused(what, what + " must be sha256 hex");
}

// The member's path where gait's words for it are none.
Status within(const DocumentPlace& place, std::string_view member, Status status) {
  if (status) return status;
  return std::move(status).error().at(place.of(member));
}

Status normalise_args(Json& args, const std::string& path, ArgsReading reading) {
  if (args.is_null()) args = Json(Json::Object{});
  Status status = trim_free_data(args, "args", path, reading);
  if (status) return status;
  Error error = status.error();
  if (error.reason.empty()) error.detail = "normalize args: " + error.detail;
  return error;
}

template <typename T>
void sort_and_drop_repetitions(std::vector<T>& values) {
  std::sort(values.begin(), values.end());
  values.erase(std::unique(values.begin(), values.end()), values.end());
}

Status normalise_target(Target& target, std::string_view tool_name, const DocumentPlace& place) {
  trim_and_lower(target.kind);
  trim(target.value);
  if (target.kind.empty() || target.value.empty()) {
    return refused(place.of(target.kind.empty() ? "kind" : "value"), "targets require kind and value");
  }
  if (!is_target_kind(target.kind)) return refused(place.of("kind"), "unsupported target kind: " + target.kind);
  trim_and_lower(target.operation);
  trim_and_lower(target.sensitivity);
  trim_and_lower(target.endpoint_class);
  trim_and_lower(target.endpoint_domain);
  trim_and_lower(target.discovery_method);
  std::replace_if(
      target.discovery_method.begin(), target.discovery_method.end(), [](char c) { return c == '-' || c == ' '; }, '_');
  if (target.discovery_method.empty()) target.discovery_method = "unknown";
  if (!is_discovery_method(target.discovery_method)) {
    return refused(place.of("discovery_method"), "unsupported discovery method: " + target.discovery_method);
  }
  if (target.endpoint_class.empty()) {
    target.endpoint_class = inferred_endpoint_class(target.kind, target.operation, tool_name);
  }
  if (!is_endpoint_class(target.endpoint_class)) {
    return refused(place.of("endpoint_class"), "unsupported endpoint class: " + target.endpoint_class);
  }
  if (target.endpoint_domain.empty()) target.endpoint_domain = inferred_endpoint_domain(target.kind, target.value);
  target.destructive = target.destructive || target.destructive_hint || is_destructive_class(target.endpoint_class) ||
                       is_destructive_operation(target.operation);
  return ok();
}

Status normalise_targets(std::vector<Target>& targets, std::string_view tool_name, const DocumentPlace& owner) {
  for (std::size_t i = 0; i < targets.size(); ++i) {
    RETURN_IF_ERROR(normalise_target(targets[i], tool_name, DocumentPlace(owner, "targets", i)));
  }
  sort_and_drop_repetitions(targets);
  return ok();
}

Status normalise_provenance(std::vector<ArgProvenance>& entries, const DocumentPlace& owner) {
  for (std::size_t i = 0; i < entries.size(); ++i) {
    ArgProvenance& entry = entries[i];
    const DocumentPlace place(owner, "arg_provenance", i);
    trim(entry.arg_path);
    trim_and_lower(entry.source);
    trim(entry.source_ref);
    trim_and_lower(entry.integrity_digest);
    if (entry.arg_path.empty() || entry.source.empty()) {
      return refused(place.of(entry.arg_path.empty() ? "arg_path" : "source"),
                     "arg provenance requires arg_path and source");
    }
    RETURN_IF_ERROR(within(place, "source", require_known(entry.source, kProvenanceSources, "provenance source")));
    RETURN_IF_ERROR(
        within(place, "integrity_digest", require_digest(entry.integrity_digest, "arg provenance integrity_digest")));
  }
  sort_and_drop_repetitions(entries);
  return ok();
}

Status normalise_script(std::vector<ScriptStep>& steps, ArgsReading args) {
  if (steps.empty()) return refused("script.steps", "script.steps must not be empty");
  if (steps.size() > kMostSteps) {
    return refused("script.steps", "script.steps exceeds max supported steps (" + std::to_string(kMostSteps) + ")");
  }
  const DocumentPlace document;
  const DocumentPlace script(document, "script");
  for (std::size_t i = 0; i < steps.size(); ++i) {
    ScriptStep& step = steps[i];
    const DocumentPlace place(script, "steps", i);
    trim_and_lower(step.tool_name);
    if (step.tool_name.empty()) return refused(place.of("tool_name"), "script step tool_name is required");
    RETURN_IF_ERROR(normalise_args(step.args, place.of("args"), args));
    RETURN_IF_ERROR(normalise_targets(step.targets, step.tool_name, place));
    RETURN_IF_ERROR(normalise_provenance(step.arg_provenance, place));
  }
  return ok();
}

Status normalise_skill(SkillProvenance& skill, const DocumentPlace& owner) {
  const DocumentPlace place(owner, "skill_provenance");
  trim(skill.skill_name);
  trim(skill.skill_version);
  trim_and_lower(skill.source);
  trim(skill.publisher);
  trim_and_lower(skill.digest);
  trim(skill.signature_key_id);
  if (skill.skill_name.empty() || skill.source.empty() || skill.publisher.empty()) {
    const char* missing = skill.skill_name.empty() ? "skill_name" : skill.source.empty() ? "source" : "publisher";
    return refused(place.of(missing), "skill provenance requires skill_name, source, and publisher");
  }
  return within(place, "digest", require_digest(skill.digest, "skill provenance digest"));
}

Status normalise_agent(AgentIdentity& agent) {
  agent.lifecycle_states = text_set(agent.lifecycle_states, false);
  trim(agent.owner);
  trim_and_lower(agent.manifest_digest);
  trim(agent.publisher);
  trim_and_lower(agent.source);
  RETURN_IF_ERROR(require_digest(agent.manifest_digest, "context.agent_identity.manifest_digest"));
  const auto before = [](UtcTime later, UtcTime earlier) {
    return !later.is_zero() && !earlier.is_zero() && later < earlier;
  };
  const auto not_after = [](UtcTime later, UtcTime earlier) {
    return !later.is_zero() && !earlier.is_zero() && later <= earlier;
  };
  if (before(agent.approved_at, agent.issued_at)) {
    return refused("context.agent_identity.approved_at",
                   "context.agent_identity.approved_at must be on or after issued_at");
  }
  if (not_after(agent.expires_at, agent.issued_at)) {
    return refused("context.agent_identity.expires_at", "context.agent_identity.expires_at must be after issued_at");
  }
  if (not_after(agent.expires_at, agent.approved_at)) {
    return refused("context.agent_identity.expires_at", "context.agent_identity.expires_at must be after approved_at");
  }
  return ok();
}

bool is_environment_assignment(std::string_view text) {
  const std::size_t equals = text.find('=');
  if (equals == std::string_view::npos || equals == 0 || (text.front() >= '0' && text.front() <= '9')) return false;
  return std::all_of(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(equals), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
  });
}

Status normalise_sandbox_paths(std::vector<std::string>& paths, const std::string& what) {
  std::vector<std::string> cleaned;
  for (const std::string& path : paths) {
    const std::string_view text = trimmed(path);
    if (text.empty()) continue;
    if (is_environment_assignment(text)) return refused(what, what + " must not contain environment assignments");
    std::string clean = cleaned_path(text);
    if (clean != ".") cleaned.push_back(std::move(clean));
  }
  paths = text_set(cleaned, false);
  return ok();
}

bool is_prefixed_evidence(std::string_view reference) {
  const std::string low = lowered(reference);
  constexpr std::string_view kPrefixes[] = {"ref:", "receipt:", "proof:", "sandbox:", "sha256:"};
  return std::any_of(std::begin(kPrefixes), std::end(kPrefixes),
                     [&low](std::string_view prefix) { return low.starts_with(prefix); });
}

Status normalise_sandbox(std::optional<Sandbox>& optional) {
  if (!optional) return ok();
  Sandbox& sandbox = *optional;
  trim_and_lower(sandbox.network_mode);
  trim_and_lower(sandbox.env_exposure_mode);
  trim_and_lower(sandbox.filesystem_isolation);
  trim_and_lower(sandbox.user_mode);
  trim(sandbox.evidence_ref);
  trim_and_lower(sandbox.evidence_digest);
  RETURN_IF_ERROR(require_known(sandbox.network_mode, kNetworkModes, "context.sandbox.network_mode"));
  RETURN_IF_ERROR(require_known(sandbox.env_exposure_mode, kExposureModes, "context.sandbox.env_exposure_mode"));
  RETURN_IF_ERROR(require_known(sandbox.filesystem_isolation, kIsolations, "context.sandbox.filesystem_isolation"));
  RETURN_IF_ERROR(require_known(sandbox.user_mode, kUserModes, "context.sandbox.user_mode"));
  if (sandbox.timeout_seconds < 0)
    return refused("context.sandbox.timeout_seconds", "context.sandbox.timeout_seconds must be >= 0");
  RETURN_IF_ERROR(normalise_sandbox_paths(sandbox.writable_paths, "context.sandbox.writable_paths"));
  RETURN_IF_ERROR(normalise_sandbox_paths(sandbox.read_only_roots, "context.sandbox.read_only_roots"));
  RETURN_IF_ERROR(require_digest(sandbox.evidence_digest, "context.sandbox.evidence_digest"));
  if (!is_prefixed_evidence(sandbox.evidence_ref) && is_credential_material(sandbox.evidence_ref)) {
    return refused("context.sandbox.evidence_ref",
                   "context.sandbox.evidence_ref must not contain raw credential material");
  }
  if (sandbox.json().as_object().empty()) optional.reset();
  return ok();
}

Status normalise_claims(IntentContext& context) {
  ContextClaims& claims = context.claims;
  trim_and_lower(claims.set_digest);
  RETURN_IF_ERROR(require_digest(claims.set_digest, "context.context_set_digest"));
  trim_and_lower(claims.mode);
  RETURN_IF_ERROR(require_known(claims.mode, kEvidenceModes, "context.context_evidence_mode"));
  claims.refs = text_set(claims.refs, false);
  if (const Json* age = context.auth_context.find(kAgeClaim); age != nullptr && age->is_number()) {
    claims.age_seconds = age->as_double();
  }
  // gait removes the claim before it hashes (gait-formats §5.3).
  context.auth_context.erase(kAgeClaim);
  if (context.auth_context.is_object() && context.auth_context.as_object().empty()) context.auth_context = Json();
  return ok();
}

Status normalise_context(IntentContext& context) {
  trim(context.identity);
  trim(context.workspace);
  std::replace(context.workspace.begin(), context.workspace.end(), '\\', '/');
  trim_and_lower(context.risk_class);
  if (context.identity.empty()) return refused("context.identity", "context.identity is required");
  if (context.workspace.empty()) return refused("context.workspace", "context.workspace is required");
  if (context.risk_class.empty()) return refused("context.risk_class", "context.risk_class is required");
  trim_and_lower(context.phase);
  if (context.phase.empty()) context.phase = "apply";
  if (context.phase != "plan" && context.phase != "apply")
    return refused("context.phase", "context.phase must be plan or apply");
  for (std::string* text :
       {&context.agent_id, &context.run_id, &context.workflow_id, &context.repo, &context.environment, &context.job_id,
        &context.session_id, &context.request_id, &context.credential_ref, &context.credential_issuer,
        &context.credential_subject, &context.credential_owner, &context.credential_target_binding,
        &context.credential_run_binding, &context.credential_job_binding, &context.approval_ref,
        &context.wrkr_inventory_ref, &context.agent_action_bom_ref, &context.environment_fingerprint}) {
    trim(*text);
  }
  trim_and_lower(context.credential_source);
  trim_and_lower(context.credential_access_type);
  RETURN_IF_ERROR(require_known(context.credential_source, kCredentialSources, "context.credential_source"));
  RETURN_IF_ERROR(require_known(context.credential_access_type, kAccessTypes, "context.credential_access_type"));
  if (context.credential_ttl_seconds < 0)
    return refused("context.credential_ttl_seconds", "context.credential_ttl_seconds must be >= 0");
  // Never executed: what an agent says about itself may be trimmed.
  const Status status =
      trim_free_data(context.auth_context, "auth_context", "context.auth_context", ArgsReading::AsGait);
  if (!status) return refused(status.error().field, "normalize context.auth_context: " + status.error().detail);
  RETURN_IF_ERROR(refuse_credentials(context.auth_context, "context.auth_context"));
  context.credential_scopes = text_set(context.credential_scopes, false);
  RETURN_IF_ERROR(normalise_claims(context));
  RETURN_IF_ERROR(normalise_sandbox(context.sandbox));
  if (context.agent_identity) RETURN_IF_ERROR(normalise_agent(*context.agent_identity));
  return ok();
}

Status normalise_delegation(Delegation& delegation, const DocumentPlace& owner) {
  trim(delegation.requester_identity);
  if (delegation.requester_identity.empty())
    return refused("delegation.requester_identity", "delegation.requester_identity is required");
  trim_and_lower(delegation.scope_class);
  delegation.token_refs = text_set(delegation.token_refs, false);
  const auto not_after = [](UtcTime later, UtcTime earlier) {
    return !later.is_zero() && !earlier.is_zero() && later <= earlier;
  };
  const DocumentPlace place(owner, "delegation");
  const DelegationLink* previous = nullptr;
  for (std::size_t i = 0; i < delegation.chain.size(); ++i) {
    DelegationLink& link = delegation.chain[i];
    const DocumentPlace at(place, "chain", i);
    trim(link.delegator_identity);
    trim(link.delegate_identity);
    trim_and_lower(link.scope_class);
    trim(link.token_ref);
    if (link.delegator_identity.empty() || link.delegate_identity.empty()) {
      return refused(at.of(link.delegator_identity.empty() ? "delegator_identity" : "delegate_identity"),
                     "delegation.chain entries require delegator_identity and delegate_identity");
    }
    if (not_after(link.expires_at, link.issued_at)) {
      return refused(at.of("expires_at"), "delegation.chain expires_at must be after issued_at");
    }
    if (previous != nullptr && previous->delegate_identity != link.delegator_identity) {
      return refused(at.of("delegator_identity"),
                     "delegation.chain delegator_identity must match previous delegate_identity");
    }
    previous = &link;
  }
  if (previous != nullptr && previous->delegate_identity != delegation.requester_identity) {
    return refused(place.of("chain"),
                   "delegation.chain last delegate_identity must match delegation.requester_identity");
  }
  if (not_after(delegation.expires_at, delegation.issued_at)) {
    return refused("delegation.expires_at", "delegation.expires_at must be after issued_at");
  }
  return ok();
}

void gather_from_steps(IntentFields& fields) {
  const bool gather_targets = fields.targets.empty();
  const bool gather_provenance = fields.arg_provenance.empty();
  for (const ScriptStep& step : *fields.script) {
    if (gather_targets) fields.targets.insert(fields.targets.end(), step.targets.begin(), step.targets.end());
    if (gather_provenance) {
      fields.arg_provenance.insert(fields.arg_provenance.end(), step.arg_provenance.begin(), step.arg_provenance.end());
    }
  }
}

Status normalise_parts(IntentFields& fields, ArgsReading args) {
  if (fields.script) RETURN_IF_ERROR(normalise_script(*fields.script, args));
  trim_and_lower(fields.tool_name);
  if (fields.script) fields.tool_name = "script";
  if (fields.tool_name.empty()) return refused("tool_name", "tool_name is required");
  RETURN_IF_ERROR(normalise_args(fields.args, "args", args));
  RETURN_IF_ERROR(refuse_credentials(fields.args, "args"));
  if (fields.script) gather_from_steps(fields);
  const DocumentPlace document;
  RETURN_IF_ERROR(normalise_targets(fields.targets, fields.tool_name, document));
  RETURN_IF_ERROR(normalise_provenance(fields.arg_provenance, document));
  if (fields.skill_provenance) RETURN_IF_ERROR(normalise_skill(*fields.skill_provenance, document));
  RETURN_IF_ERROR(normalise_context(fields.context));
  if (fields.delegation) RETURN_IF_ERROR(normalise_delegation(*fields.delegation, document));
  if (fields.created_at.is_zero()) fields.created_at = UtcTime::from_unix(315532800);  // 1980-01-01, as gait
  return ok();
}

}  // namespace

Status normalise_intent(IntentFields& fields, ArgsReading args) {
  Status status = normalise_parts(fields, args);
  if (status) return status;
  Error error = status.error();
  error.detail = "normalize intent: " + error.detail;
  return error;
}

}  // namespace countersign::gate
