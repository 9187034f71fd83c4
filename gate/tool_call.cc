#include "gate/tool_call.h"

#include <algorithm>

#include "common/text.h"

namespace countersign::gate {
namespace {

// Where a shape has the name of the tool and its arguments; the first that is there counts.
struct Shape {
  std::string_view adapter;
  std::string_view within;  // the member that holds them; empty for the call itself
  std::string_view name;
  std::string_view args[2];
  bool args_are_text;  // arguments may be the text of a JSON object
};
constexpr Shape kShapes[] = {
    {"mcp", "", "name", {"args", "arguments"}, false},
    {"openai", "function", "name", {"arguments", ""}, true},
    {"anthropic", "", "name", {"input", ""}, false},
    {"langchain", "", "tool", {"tool_input", ""}, true},
    {"claude_code", "", "tool_name", {"tool_input", ""}, false},
};

// What stands in for a context that a call does not have.
struct Fallback {
  std::string_view member;
  std::string_view value;
};
constexpr Fallback kFallbacks[] = {{"identity", "mcp-proxy"}, {"workspace", "."}, {"risk_class", "high"}};

Error invalid(std::string detail) {
  return Error{ErrorCode::Invalid, "tool call: " + std::move(detail), "bad_tool_call"};
}

Result<Json> arguments_of(const Shape& shape, const Json& within) {
  const Json* args = nullptr;
  for (const std::string_view name : shape.args) {
    if (args == nullptr && !name.empty()) args = within.find(name);
  }
  if (args == nullptr || args->is_null()) return Json(Json::Object{});
  const std::string member(shape.args[0]);
  if (args->is_string() && shape.args_are_text) {
    Result<Json> read = Json::parse(args->as_string(), Json::Limits{.gait = true});
    if (!read) return invalid(member + " is not JSON: " + read.error().detail);
    if (read->is_object()) return read;
    return invalid(member + " is not the text of an object");
  }
  if (!args->is_object()) return invalid(member + " is not an object");
  return *args;
}

// The call's context with nothing missing; true where something was.
Result<bool> complete(Json& context) {
  bool made = false;
  for (const Fallback& each : kFallbacks) {
    const Json* given = context.find(each.member);
    if (given != nullptr && !given->is_null() && !given->is_string()) {
      return invalid("context." + std::string(each.member) + " is not a text");
    }
    if (!trimmed(context.text(each.member)).empty()) continue;
    context.set(each.member, each.value);
    made = true;
  }
  return made;
}

}  // namespace

Result<ToolCall> ToolCall::parse(std::string_view adapter, const Json& call) {
  const std::string wanted = lowered(trimmed(adapter));
  const auto shape = std::ranges::find(kShapes, wanted, &Shape::adapter);
  if (shape == std::end(kShapes)) {
    return Error{ErrorCode::Invalid, "unsupported adapter: " + wanted, "unknown_adapter",
                 "mcp, openai, anthropic, langchain and claude_code are known"};
  }
  if (!call.is_object()) return invalid("is no object");
  const Json* within = shape->within.empty() ? &call : call.find(shape->within);
  if (within == nullptr || !within->is_object()) return invalid(std::string(shape->within) + " is missing");
  if (trimmed(within->text(shape->name)).empty()) return invalid(std::string(shape->name) + " is missing");
  ASSIGN_OR_RETURN(Json args, arguments_of(*shape, *within));
  Json context{Json::Object{}};
  if (const Json* given = call.find("context"); given != nullptr && !given->is_null()) {
    if (!given->is_object()) return invalid("context is not an object");
    context = *given;
  }
  // Evidence of a login is free data to the gate.
  if (const Json* evidence = context.find("oauth_evidence")) {
    Json held = *evidence;
    context.erase("oauth_evidence");
    Json* auth = context.find("auth_context");
    if (auth != nullptr && !auth->is_object()) return invalid("context.auth_context is not an object");
    if (auth == nullptr) context.set("auth_context", Json(Json::Object{}));
    context.find("auth_context")->set("oauth_evidence", std::move(held));
  }
  if (wanted == "claude_code" && context.text("session_id").empty() && !call.text("session_id").empty()) {
    context.set("session_id", call.text("session_id"));
  }
  ToolCall out;
  ASSIGN_OR_RETURN(out.context_is_made, complete(context));
  out.session_id = trimmed(context.text("session_id"));
  out.run_id = trimmed(context.text("run_id"));
  if (const Json* server = call.find("server"); server != nullptr && server->is_object()) {
    out.server_id = trimmed(server->text("server_id"));
  }
  out.intent = Json::object({{"tool_name", within->text(shape->name)}, {"args", std::move(args)}});
  for (const std::string_view member : {"targets", "arg_provenance", "delegation", "skill_provenance", "created_at"}) {
    if (const Json* given = call.find(member)) out.intent.set(member, *given);
  }
  out.intent.set("context", std::move(context));
  return out;
}

}  // namespace countersign::gate
