#include "gate/intent/intent_reader.h"

namespace countersign::gate {
namespace {

std::vector<Target> targets_of(GaitFields& owner) {
  std::vector<Target> out;
  for (const Json* element : owner.structures("targets")) {
    GaitFields fields(*element, owner, "targets", out.size());
    Target target;
    fields.text("kind", target.kind);
    fields.text("value", target.value);
    fields.text("operation", target.operation);
    fields.text("sensitivity", target.sensitivity);
    fields.text("endpoint_class", target.endpoint_class);
    fields.text("endpoint_domain", target.endpoint_domain);
    fields.boolean("destructive", target.destructive);
    fields.text("discovery_method", target.discovery_method);
    fields.boolean("read_only_hint", target.read_only_hint);
    fields.boolean("destructive_hint", target.destructive_hint);
    fields.boolean("idempotent_hint", target.idempotent_hint);
    fields.boolean("open_world_hint", target.open_world_hint);
    out.push_back(std::move(target));
  }
  return out;
}

std::vector<ArgProvenance> provenance_of(GaitFields& owner) {
  std::vector<ArgProvenance> out;
  for (const Json* element : owner.structures("arg_provenance")) {
    GaitFields fields(*element, owner, "arg_provenance", out.size());
    ArgProvenance provenance;
    fields.text("arg_path", provenance.arg_path);
    fields.text("source", provenance.source);
    fields.text("source_ref", provenance.source_ref);
    fields.text("integrity_digest", provenance.integrity_digest);
    out.push_back(std::move(provenance));
  }
  return out;
}

SkillProvenance skill_of(const Json& json, const GaitFields& owner) {
  GaitFields fields(json, owner, "skill_provenance");
  SkillProvenance skill;
  fields.text("skill_name", skill.skill_name);
  fields.text("skill_version", skill.skill_version);
  fields.text("source", skill.source);
  fields.text("publisher", skill.publisher);
  fields.text("digest", skill.digest);
  fields.text("signature_key_id", skill.signature_key_id);
  return skill;
}

Delegation delegation_of(const Json& json, const GaitFields& owner) {
  GaitFields fields(json, owner, "delegation");
  Delegation delegation;
  fields.text("requester_identity", delegation.requester_identity);
  fields.text("scope_class", delegation.scope_class);
  fields.texts("token_refs", delegation.token_refs);
  for (const Json* element : fields.structures("chain")) {
    GaitFields members(*element, fields, "chain", delegation.chain.size());
    DelegationLink link;
    members.text("delegator_identity", link.delegator_identity);
    members.text("delegate_identity", link.delegate_identity);
    members.text("scope_class", link.scope_class);
    members.text("token_ref", link.token_ref);
    members.time("issued_at", link.issued_at);
    members.time("expires_at", link.expires_at);
    delegation.chain.push_back(std::move(link));
  }
  fields.time("issued_at", delegation.issued_at);
  fields.time("expires_at", delegation.expires_at);
  return delegation;
}

AgentIdentity agent_of(const Json& json, const GaitFields& owner) {
  GaitFields fields(json, owner, "agent_identity");
  AgentIdentity agent;
  fields.texts("lifecycle_states", agent.lifecycle_states);
  fields.text("owner", agent.owner);
  fields.text("manifest_digest", agent.manifest_digest);
  fields.text("publisher", agent.publisher);
  fields.text("source", agent.source);
  fields.time("issued_at", agent.issued_at);
  fields.time("approved_at", agent.approved_at);
  fields.time("expires_at", agent.expires_at);
  fields.boolean("revoked", agent.revoked);
  return agent;
}

Sandbox sandbox_of(const Json& json, const GaitFields& owner) {
  GaitFields fields(json, owner, "sandbox");
  Sandbox sandbox;
  fields.text("network_mode", sandbox.network_mode);
  fields.texts("writable_paths", sandbox.writable_paths);
  fields.texts("read_only_roots", sandbox.read_only_roots);
  fields.text("env_exposure_mode", sandbox.env_exposure_mode);
  fields.integer("timeout_seconds", sandbox.timeout_seconds);
  fields.text("filesystem_isolation", sandbox.filesystem_isolation);
  fields.text("user_mode", sandbox.user_mode);
  fields.text("evidence_ref", sandbox.evidence_ref);
  fields.text("evidence_digest", sandbox.evidence_digest);
  return sandbox;
}

IntentContext context_of(const Json& json, const GaitFields& owner) {
  GaitFields fields(json, owner, "context");
  IntentContext context;
  fields.text("identity", context.identity);
  fields.text("workspace", context.workspace);
  fields.text("risk_class", context.risk_class);
  fields.text("phase", context.phase);
  fields.text("agent_id", context.agent_id);
  if (const Json* agent = fields.structure("agent_identity")) context.agent_identity = agent_of(*agent, fields);
  fields.text("run_id", context.run_id);
  fields.text("workflow_id", context.workflow_id);
  fields.text("repo", context.repo);
  fields.text("environment", context.environment);
  fields.text("job_id", context.job_id);
  fields.text("session_id", context.session_id);
  fields.text("request_id", context.request_id);
  fields.text("credential_ref", context.credential_ref);
  fields.text("credential_source", context.credential_source);
  fields.text("credential_access_type", context.credential_access_type);
  fields.text("credential_issuer", context.credential_issuer);
  fields.text("credential_subject", context.credential_subject);
  fields.text("credential_owner", context.credential_owner);
  fields.text("credential_target_binding", context.credential_target_binding);
  fields.text("credential_run_binding", context.credential_run_binding);
  fields.text("credential_job_binding", context.credential_job_binding);
  fields.integer("credential_ttl_seconds", context.credential_ttl_seconds);
  fields.text("approval_ref", context.approval_ref);
  fields.text("wrkr_inventory_ref", context.wrkr_inventory_ref);
  fields.text("agent_action_bom_ref", context.agent_action_bom_ref);
  fields.map("auth_context", context.auth_context);
  if (const Json* sandbox = fields.structure("sandbox")) context.sandbox = sandbox_of(*sandbox, fields);
  fields.texts("credential_scopes", context.credential_scopes);
  fields.text("environment_fingerprint", context.environment_fingerprint);
  fields.text("context_set_digest", context.claims.set_digest);
  fields.text("context_evidence_mode", context.claims.mode);
  fields.texts("context_refs", context.claims.refs);
  return context;
}

std::vector<ScriptStep> steps_of(const Json& json, const GaitFields& owner) {
  GaitFields fields(json, owner, "script");
  std::vector<ScriptStep> out;
  for (const Json* element : fields.structures("steps")) {
    GaitFields members(*element, fields, "steps", out.size());
    ScriptStep step;
    members.text("tool_name", step.tool_name);
    members.map("args", step.args);
    step.targets = targets_of(members);
    step.arg_provenance = provenance_of(members);
    out.push_back(std::move(step));
  }
  return out;
}

// Members that are typed in gait's structure and mean nothing to a decision: a wrong type is still refused.
void read_unused(GaitFields& fields) {
  std::string unused;
  for (const std::string_view name :
       {"schema_id", "schema_version", "producer_version", "args_digest", "intent_digest", "script_hash"}) {
    fields.text(name, unused);
  }
  fields.structure("relationship");
}

}  // namespace

Result<IntentFields> read_intent(const Json& document) {
  FirstError error("parse intent json: ");
  IntentFields intent;
  if (document.is_null()) return intent;  // Go decodes null into the empty structure
  if (!document.is_object()) {
    error.add(std::string("json: cannot unmarshal ") +
                  (document.is_array()    ? "array"
                   : document.is_string() ? "string"
                   : document.is_bool()   ? "bool"
                                          : "number") +
                  " into Go value of type gate.IntentRequest",
              "");
    return Error(error.status().error());
  }
  GaitFields fields(document, "IntentRequest", error);
  read_unused(fields);
  fields.time("created_at", intent.created_at);
  fields.text("tool_name", intent.tool_name);
  fields.map("args", intent.args);
  if (const Json* script = fields.structure("script")) intent.script = steps_of(*script, fields);
  intent.targets = targets_of(fields);
  intent.arg_provenance = provenance_of(fields);
  if (const Json* skill = fields.structure("skill_provenance")) intent.skill_provenance = skill_of(*skill, fields);
  if (const Json* delegation = fields.structure("delegation")) intent.delegation = delegation_of(*delegation, fields);
  if (const Json* context = fields.structure("context")) intent.context = context_of(*context, fields);
  RETURN_IF_ERROR(error.status());
  return intent;
}

}  // namespace countersign::gate
