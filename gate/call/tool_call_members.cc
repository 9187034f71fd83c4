#include "gate/call/tool_call_members.h"

#include <algorithm>

#include "common/text.h"
#include "gate/document/optional_members.h"

namespace countersign::gate {
namespace {

// What gait's proxy takes of a context.
constexpr std::string_view kGaitContext[] = {"identity",
                                             "workspace",
                                             "risk_class",
                                             "phase",
                                             "job_id",
                                             "session_id",
                                             "request_id",
                                             "credential_scopes",
                                             "environment_fingerprint",
                                             "auth_context"};
// Not members of an intent's context: they go to auth_context.
constexpr std::string_view kAuthMode = "auth_mode";
constexpr std::string_view kOauthEvidence = "oauth_evidence";

// What stands in for a context that a call does not have.
struct Fallback {
  std::string_view member;
  std::string_view value;
};
constexpr Fallback kFallbacks[] = {{"identity", "mcp-proxy"}, {"workspace", "."}, {"risk_class", "high"}};
// What a call should say of its context.
constexpr std::string_view kExpected[] = {"identity", "workspace", "session_id"};

// A hint of a target: as gait's intents spell it, as MCP does, folded; `annotations` may have either.
struct Hint {
  std::string_view member;
  std::string_view alias;
  std::string_view annotation;
};
constexpr Hint kHints[] = {
    {"read_only_hint", "readonlyhint", "readOnlyHint"},
    {"destructive_hint", "destructivehint", "destructiveHint"},
    {"idempotent_hint", "idempotenthint", "idempotentHint"},
    {"open_world_hint", "openworldhint", "openWorldHint"},
};

const Json* annotated(const Json& annotations, std::string_view member, std::string_view alias) {
  const Json* found = annotations.find(member);
  return found != nullptr ? found : annotations.find(alias);
}

std::optional<bool> flag_of(const Json* value) {
  if (value == nullptr) return std::nullopt;
  if (value->is_bool()) return value->as_bool();
  if (!value->is_string()) return std::nullopt;
  const std::string text = lowered(trimmed(value->as_string()));
  if (text == "true") return true;
  if (text == "false") return false;
  return std::nullopt;
}

void put_text(GaitFields& from, std::string_view member, Json& to) {
  std::string text;
  from.text(member, text);
  put(to, member, trimmed(text));
}

Json target_of(GaitFields fields, CallReading reading) {
  Json out{Json::Object{}};
  for (const std::string_view member : {"kind", "value", "operation", "sensitivity"}) put_text(fields, member, out);
  Json annotations;
  fields.map("annotations", annotations);
  std::string method, alias;
  fields.text("discovery_method", method);
  fields.text("discoverymethod", alias);
  if (trimmed(method).empty()) method = alias;
  const Json* said = annotated(annotations, "discovery_method", "discoveryMethod");
  if (said != nullptr && said->is_string()) method = said->as_string();
  put(out, "discovery_method", trimmed(method));
  for (const Hint& hint : kHints) {
    bool plain = false, other = false;
    fields.boolean(hint.member, plain);
    fields.boolean(hint.alias, other);
    std::optional<bool> noted;
    for (const std::string_view name : {hint.member, hint.annotation}) {
      if (!noted) noted = flag_of(annotations.find(name));
    }
    put_flag(out, hint.member, noted.value_or(plain || other));
  }
  if (reading == CallReading::AsGait) return out;
  for (const std::string_view member : {"endpoint_class", "endpoint_domain"}) put_text(fields, member, out);
  bool destructive = false;
  fields.boolean("destructive", destructive);
  put_flag(out, "destructive", destructive);
  return out;
}

Json targets_of(GaitFields& owner, CallReading reading) {
  Json::Array out;
  const std::vector<const Json*> given = owner.structures("targets");
  for (std::size_t i = 0; i < given.size(); ++i) {
    out.push_back(target_of(GaitFields(*given[i], owner, "targets", i), reading));
  }
  return Json(std::move(out));
}

// A target that is only named: what it is shows in its spelling.
Json named_target(std::string_view value) {
  const bool url = value.find("://") != std::string_view::npos;
  const bool path = value.find('/') != std::string_view::npos;
  return Json::object({{"kind", url ? "url" : path ? "path" : "host"}, {"value", value}});
}

// Null where there are no steps.
Json script_of(GaitFields& call, CallReading reading) {
  const Json* script = call.structure("script");
  if (script == nullptr) return {};
  GaitFields fields(*script, call, "script");
  Json::Array steps;
  const std::vector<const Json*> given = fields.structures("steps");
  for (std::size_t i = 0; i < given.size(); ++i) {
    GaitFields step(*given[i], fields, "steps", i);
    std::string name;
    step.text("name", name);
    Json args;
    step.map("args", args);
    Json out = Json::object({{"tool_name", trimmed(name)},
                             {"args", args.is_null() ? Json(Json::Object{}) : std::move(args)},
                             {"targets", targets_of(step, reading)}});
    if (const Json* provenance = step.member("arg_provenance")) out.set("arg_provenance", *provenance);
    steps.push_back(std::move(out));
  }
  if (steps.empty()) return {};
  return Json::object({{"steps", std::move(steps)}});
}

Json context_of(const Json& given, CallReading reading) {
  Json out{Json::Object{}};
  for (const auto& [spelled, value] : given.as_object()) {
    const std::string name = lowered(spelled);
    if (name == kAuthMode || name == kOauthEvidence || value.is_null()) continue;
    const bool taken = reading == CallReading::Whole || std::ranges::find(kGaitContext, name) != std::end(kGaitContext);
    if (taken) out.set(name, value);
  }
  return out;
}

// gait takes no times of a delegation.
Json delegation_of(GaitFields fields) {
  Json out{Json::Object{}};
  put_text(fields, "requester_identity", out);
  put_text(fields, "scope_class", out);
  if (const Json* refs = fields.member("token_refs")) out.set("token_refs", *refs);
  Json::Array chain;
  const std::vector<const Json*> links = fields.structures("chain");
  for (std::size_t i = 0; i < links.size(); ++i) {
    GaitFields link(*links[i], fields, "chain", i);
    Json each{Json::Object{}};
    for (const std::string_view member : {"delegator_identity", "delegate_identity", "scope_class", "token_ref"}) {
      put_text(link, member, each);
    }
    chain.push_back(std::move(each));
  }
  out.set("chain", Json(std::move(chain)));
  return out;
}

void read_context(GaitFields& call, CallReading reading, CallMembers& members, ToolCall& out) {
  const Json* given = call.structure("context");
  if (given == nullptr) return;
  GaitFields fields(*given, call, "context");
  std::string mode;
  fields.text(kAuthMode, mode);
  out.oauth = OauthEvidence::read(fields);
  fields.text("run_id", out.run_id);
  fields.text("job_id", out.job_id);
  members.context = context_of(*given, reading);
  const bool brings_evidence = fields.member(kOauthEvidence) != nullptr;
  if (trimmed(mode).empty() && !brings_evidence) return;
  if (members.context.find("auth_context") == nullptr) members.context.set("auth_context", Json(Json::Object{}));
  Json* auth = members.context.find("auth_context");
  if (!auth->is_object()) return;  // said already
  if (!trimmed(mode).empty()) auth->set(kAuthMode, trimmed(mode));
  if (brings_evidence) auth->set(kOauthEvidence, out.oauth.evidence);
}

}  // namespace

CallMembers CallMembers::read(GaitFields& call, CallReading reading, ToolCall& out) {
  CallMembers members;
  members.targets = targets_of(call, reading);
  members.script = script_of(call, reading);
  std::string target;
  call.text("target", target);
  if (members.targets.as_array().empty() && !trimmed(target).empty()) {
    members.targets.as_array().push_back(named_target(trimmed(target)));
  }
  if (const Json* server = call.structure("server")) out.server = McpServer::read(GaitFields(*server, call, "server"));
  read_context(call, reading, members, out);
  const Json* delegation = call.structure("delegation");
  if (delegation != nullptr) {
    members.rest.set("delegation", reading == CallReading::Whole
                                       ? *delegation
                                       : delegation_of(GaitFields(*delegation, call, "delegation")));
  }
  for (const std::string_view member : {"arg_provenance", "created_at"}) {
    if (const Json* given = call.member(member)) members.rest.set(member, *given);
  }
  const Json* skill = call.structure("skill_provenance");
  if (skill != nullptr && reading == CallReading::Whole) members.rest.set("skill_provenance", *skill);
  return members;
}

void CallMembers::put_into(ToolCall& out) {
  for (const std::string_view member : kExpected) {
    if (!trimmed(context.text(member)).empty()) continue;
    out.context_is_made = true;
    if (out.missing.empty()) out.missing = member;
  }
  for (const Fallback& each : kFallbacks) {
    const Json* given = context.find(each.member);
    const bool blank = given == nullptr || (given->is_string() && trimmed(given->as_string()).empty());
    if (blank) context.set(each.member, each.value);
  }
  out.session_id = trimmed(context.text("session_id"));
  if (!targets.as_array().empty()) out.intent.set("targets", std::move(targets));
  if (!script.is_null()) out.intent.set("script", std::move(script));
  for (auto& [name, value] : rest.as_object()) out.intent.set(name, std::move(value));
  out.intent.set("context", std::move(context));
}

}  // namespace countersign::gate
