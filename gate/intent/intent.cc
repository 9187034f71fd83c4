#include "gate/intent/intent.h"

#include <algorithm>

#include "common/joined.h"
#include "common/json_complaint.h"
#include "gate/document/optional_members.h"
#include "gate/intent/intent_reader.h"

namespace countersign::gate {
namespace {

// Go writes a time even where it is absent (gait-formats §3.3).
void put_time(Json& object, std::string_view name, UtcTime time) {
  object.set(name, Json(time.rfc3339()));
}

Json json_of(const Target& target) {
  Json out = Json::object({{"kind", target.kind}, {"value", target.value}});
  put(out, "operation", target.operation);
  put(out, "sensitivity", target.sensitivity);
  put(out, "endpoint_class", target.endpoint_class);
  put(out, "endpoint_domain", target.endpoint_domain);
  put_flag(out, "destructive", target.destructive);
  put(out, "discovery_method", target.discovery_method);
  put_flag(out, "read_only_hint", target.read_only_hint);
  put_flag(out, "destructive_hint", target.destructive_hint);
  put_flag(out, "idempotent_hint", target.idempotent_hint);
  put_flag(out, "open_world_hint", target.open_world_hint);
  return out;
}

Json json_of(const std::vector<Target>& targets) {
  Json::Array out;
  for (const Target& target : targets) out.push_back(json_of(target));
  return Json(std::move(out));
}

Json json_of(const std::vector<ArgProvenance>& entries) {
  Json::Array out;
  for (const ArgProvenance& entry : entries) {
    Json json = Json::object({{"arg_path", entry.arg_path}, {"source", entry.source}});
    put(json, "source_ref", entry.source_ref);
    put(json, "integrity_digest", entry.integrity_digest);
    out.push_back(std::move(json));
  }
  return Json(std::move(out));
}

Json json_of(const IntentContext& context) {
  Json out = Json::object(
      {{"identity", context.identity}, {"workspace", context.workspace}, {"risk_class", context.risk_class}});
  put(out, "phase", context.phase);
  put(out, "agent_id", context.agent_id);
  if (context.agent_identity) out.set("agent_identity", context.agent_identity->json());
  put(out, "run_id", context.run_id);
  put(out, "workflow_id", context.workflow_id);
  put(out, "repo", context.repo);
  put(out, "environment", context.environment);
  put(out, "job_id", context.job_id);
  put(out, "session_id", context.session_id);
  put(out, "request_id", context.request_id);
  put(out, "credential_ref", context.credential_ref);
  put(out, "credential_source", context.credential_source);
  put(out, "credential_access_type", context.credential_access_type);
  put(out, "credential_issuer", context.credential_issuer);
  put(out, "credential_subject", context.credential_subject);
  put(out, "credential_owner", context.credential_owner);
  put(out, "credential_target_binding", context.credential_target_binding);
  put(out, "credential_run_binding", context.credential_run_binding);
  put(out, "credential_job_binding", context.credential_job_binding);
  put(out, "credential_ttl_seconds", context.credential_ttl_seconds);
  put(out, "approval_ref", context.approval_ref);
  put(out, "wrkr_inventory_ref", context.wrkr_inventory_ref);
  put(out, "agent_action_bom_ref", context.agent_action_bom_ref);
  if (!context.auth_context.is_null()) out.set("auth_context", context.auth_context);
  if (context.sandbox) out.set("sandbox", context.sandbox->json());
  put(out, "credential_scopes", context.credential_scopes);
  put(out, "environment_fingerprint", context.environment_fingerprint);
  put(out, "context_set_digest", context.context_set_digest);
  put(out, "context_evidence_mode", context.context_evidence_mode);
  put(out, "context_refs", context.context_refs);
  return out;
}

Json json_of(const std::vector<ScriptStep>& steps) {
  Json::Array out;
  for (const ScriptStep& step : steps) {
    Json json = Json::object({{"tool_name", step.tool_name}, {"args", step.args}});
    if (!step.targets.empty()) json.set("targets", json_of(step.targets));
    if (!step.arg_provenance.empty()) json.set("arg_provenance", json_of(step.arg_provenance));
    out.push_back(std::move(json));
  }
  return Json::object({{"steps", Json(std::move(out))}});
}

std::optional<std::vector<std::string>> argv_of(const Json& args) {
  const Json* argv = args.find("argv");
  if (argv == nullptr || !argv->is_array()) return std::nullopt;
  std::vector<std::string> out;
  for (const Json& argument : argv->as_array()) {
    if (!argument.is_string()) return std::nullopt;
    out.push_back(argument.as_string());
  }
  return out;
}

// Go's words for a number that no double can hold: the field is the free map around it, where there is one.
std::string beyond_double(const JsonComplaint& complaint) {
  std::string field = "IntentRequest";
  for (const std::string& name : complaint.path) {
    field += "." + name;
    if (name == "args" || name == "auth_context") break;
  }
  return "json: cannot unmarshal number " + complaint.number.substr(0, 64) + " into Go struct field " + field +
         " of type float64";
}

// The arguments of the intent and of each step, null as {} as it is normalised.
Json all_args(const IntentFields& fields) {
  const auto object = [](const Json& args) { return args.is_null() ? Json(Json::Object{}) : args; };
  Json::Array steps;
  for (const ScriptStep& step : fields.script.value_or(std::vector<ScriptStep>())) steps.push_back(object(step.args));
  return Json::object({{"args", object(fields.args)}, {"steps", std::move(steps)}});
}

}  // namespace

Json SkillProvenance::json() const {
  Json out = Json::object({{"skill_name", skill_name}});
  put(out, "skill_version", skill_version);
  out.set("source", Json(source));
  out.set("publisher", Json(publisher));
  put(out, "digest", digest);
  put(out, "signature_key_id", signature_key_id);
  return out;
}

Json Delegation::json() const {
  Json out = Json::object({{"requester_identity", requester_identity}});
  put(out, "scope_class", scope_class);
  put(out, "token_refs", token_refs);
  Json::Array links;
  for (const DelegationLink& link : chain) {
    Json json =
        Json::object({{"delegator_identity", link.delegator_identity}, {"delegate_identity", link.delegate_identity}});
    put(json, "scope_class", link.scope_class);
    put(json, "token_ref", link.token_ref);
    put_time(json, "issued_at", link.issued_at);
    put_time(json, "expires_at", link.expires_at);
    links.push_back(std::move(json));
  }
  if (!links.empty()) out.set("chain", Json(std::move(links)));
  put_time(out, "issued_at", issued_at);
  put_time(out, "expires_at", expires_at);
  return out;
}

Json AgentIdentity::json() const {
  Json out{Json::Object{}};
  put(out, "lifecycle_states", lifecycle_states);
  put(out, "owner", owner);
  put(out, "manifest_digest", manifest_digest);
  put(out, "publisher", publisher);
  put(out, "source", source);
  put_time(out, "issued_at", issued_at);
  put_time(out, "approved_at", approved_at);
  put_time(out, "expires_at", expires_at);
  put_flag(out, "revoked", revoked);
  return out;
}

Json Sandbox::json() const {
  Json out{Json::Object{}};
  put(out, "network_mode", network_mode);
  put(out, "writable_paths", writable_paths);
  put(out, "read_only_roots", read_only_roots);
  put(out, "env_exposure_mode", env_exposure_mode);
  put(out, "timeout_seconds", timeout_seconds);
  put(out, "filesystem_isolation", filesystem_isolation);
  put(out, "user_mode", user_mode);
  put(out, "evidence_ref", evidence_ref);
  put(out, "evidence_digest", evidence_digest);
  return out;
}

Result<Json> Intent::read(std::string_view text, ArgsReading args) {
  const Json::Limits limits{.gait = true, .exact_integers = args != ArgsReading::AsGait};
  Result<Json> document = Json::parse(text, limits);
  if (document) return document;
  Error error = document.error();
  if (error.reason == "number_range") {
    const JsonComplaint complaint = json_complaint(text);
    error.detail = beyond_double(complaint);
    error.field = joined(complaint.path, ".");
  }
  error.detail = "parse intent json: " + error.detail;
  return error;
}

Result<Intent> Intent::parse(std::string_view text, ArgsReading args) {
  ASSIGN_OR_RETURN(const Json document, read(text, args));
  return parse(document, args);
}

Result<Intent> Intent::parse(const Json& document, ArgsReading args) {
  ASSIGN_OR_RETURN(IntentFields fields, read_intent(document));
  std::optional<std::vector<std::string>> argv = argv_of(fields.args);
  const Json written = args == ArgsReading::Exact ? all_args(fields) : Json();
  RETURN_IF_ERROR(normalise_intent(fields, args));
  const bool changed = args == ArgsReading::Exact && all_args(fields) != written;
  Intent intent(std::move(fields));
  intent.argv_ = std::move(argv);
  if (changed) intent.exact_args_ = written.digest();
  return intent;
}

bool Intent::has_destructive_target() const {
  return std::any_of(fields_.targets.begin(), fields_.targets.end(),
                     [](const Target& target) { return target.destructive; });
}

Json Intent::digest_form() const {
  Json out = Json::object({{"tool_name", fields_.tool_name}, {"args", fields_.args}});
  if (fields_.script) {
    Json script = json_of(*fields_.script);
    out.set("script_hash", Json(script.digest().hex()));
    out.set("script", std::move(script));
  }
  out.set("targets", json_of(fields_.targets));
  if (!fields_.arg_provenance.empty()) out.set("arg_provenance", json_of(fields_.arg_provenance));
  if (fields_.skill_provenance) out.set("skill_provenance", fields_.skill_provenance->json());
  if (fields_.delegation) out.set("delegation", fields_.delegation->json());
  out.set("context", json_of(fields_.context));
  // gait's form never has this member, so no digest of gait's is met by it.
  if (exact_args_) out.set("exact_args", Json(exact_args_->hex()));
  return out;
}

std::optional<Digest> Intent::script_hash() const {
  if (!fields_.script) return std::nullopt;
  return json_of(*fields_.script).digest();
}

Digest Intent::targets_digest() const {
  return json_of(fields_.targets).digest();
}

Intent Intent::step(std::size_t i) const {
  const ScriptStep& step = fields_.script.value()[i];
  IntentFields fields;
  fields.created_at = fields_.created_at;
  fields.tool_name = step.tool_name;
  fields.args = step.args;
  fields.targets = step.targets;
  fields.arg_provenance = step.arg_provenance;
  fields.skill_provenance = fields_.skill_provenance;
  fields.delegation = fields_.delegation;
  fields.context = fields_.context;
  return Intent(std::move(fields));
}

Intent Intent::with_envelope_facts(std::string set_digest, std::string mode, std::vector<std::string> refs,
                                   std::optional<std::int64_t> age_seconds) const {
  Intent out = *this;
  IntentContext& context = out.fields_.context;
  context.context_set_digest = std::move(set_digest);
  context.context_evidence_mode = std::move(mode);
  context.context_refs = std::move(refs);
  if (age_seconds) {
    if (context.auth_context.is_null()) context.auth_context = Json(Json::Object{});
    context.auth_context.set("context_age_seconds", Json(*age_seconds));
  }
  return out;
}

Intent Intent::with_tool_facts(const std::string& tool_name, const std::string& data_class,
                               const std::string& endpoint_class, const std::string& autonomy_level) const {
  Intent out = with_believed_tool_facts();
  Json& facts = out.fields_.context.auth_context;
  if (facts.is_null()) facts = Json(Json::Object{});
  facts.set("wrkr.tool_name", Json(tool_name));
  facts.set("wrkr.data_class", Json(data_class));
  facts.set("wrkr.endpoint_class", Json(endpoint_class));
  facts.set("wrkr.autonomy_level", Json(autonomy_level));
  return out;
}

Intent Intent::with_believed_tool_facts() const {
  Intent out = *this;
  out.fields_.context.tool_facts_are_known = true;
  return out;
}

}  // namespace countersign::gate
