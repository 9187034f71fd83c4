#include "gate/call/tool_call.h"

#include <algorithm>

#include "common/text.h"
#include "gate/call/tool_call_members.h"

namespace countersign::gate {
namespace {

// Where a shape has the name of the tool and its arguments; the first that says something counts.
struct Shape {
  std::string_view adapters[3];
  std::string_view structure;  // gait's name for it
  std::string_view within;     // the member that holds them; empty for the call itself
  std::string_view names[2];
  std::string_view args[2];
  bool args_are_text;  // arguments may be the text of a JSON object
  // Whether gait reads targets, context and the rest from it.
  bool has_members;
};
constexpr Shape kShapes[] = {
    {{"mcp", "", ""}, "ToolCall", "", {"name", ""}, {"args", "arguments"}, false, true},
    {{"openai"}, "openai", "function", {"name", ""}, {"arguments", ""}, true, false},
    {{"anthropic"}, "anthropic", "", {"name", ""}, {"input", ""}, false, false},
    {{"langchain"}, "langchain", "", {"tool", ""}, {"tool_input", ""}, true, false},
    {{"claude_code", "claude-code", "claudecode"},
     "claude_code",
     "",
     {"tool_name", "name"},
     {"tool_input", "input"},
     true,
     false},
};
constexpr std::string_view kClaudeCode = "claude_code";

// gait's names of the tools of Claude Code, as they are written there without case, spaces, - and _.
struct KnownTool {
  std::string_view tool;
  std::string_view name;
};
constexpr KnownTool kClaudeTools[] = {
    {"read", "tool.read"},      {"grep", "tool.read"},     {"glob", "tool.read"},  {"webfetch", "tool.read"},
    {"websearch", "tool.read"}, {"write", "tool.write"},   {"edit", "tool.write"}, {"notebookedit", "tool.write"},
    {"bash", "tool.exec"},      {"task", "tool.delegate"},
};

// The targets that arguments of such a tool name: the first argument that is a text that says something.
struct NamedTarget {
  std::string_view tool;
  std::string_view kind;
  std::string_view operation;
  std::string_view args[4];
};
constexpr NamedTarget kClaudeTargets[] = {
    {"tool.read", "path", "read", {"path", "file_path", "filepath", "file"}},
    {"tool.read", "url", "read", {"url", "uri"}},
    {"tool.write", "path", "write", {"path", "file_path", "filepath", "file"}},
    {"tool.exec", "other", "execute", {"command", "cmd", "script"}},
    {"tool.delegate", "other", "delegate", {"task", "prompt", "description"}},
};

Error invalid(std::string detail) {
  return Error{ErrorCode::Invalid, "tool call: " + std::move(detail), "bad_tool_call"};
}

const Shape* shape_of(std::string_view adapter) {
  const auto spelled = [adapter](const Shape& shape) {
    return std::ranges::any_of(shape.adapters, [&](std::string_view each) {
      return each == adapter && (!each.empty() || &shape == &kShapes[0]);
    });
  };
  const auto found = std::ranges::find_if(kShapes, spelled);
  return found == std::end(kShapes) ? nullptr : &*found;
}

Result<Json> arguments_of(const Shape& shape, GaitFields& within) {
  const Json* args = nullptr;
  for (const std::string_view name : shape.args) {
    if (args == nullptr && !name.empty()) args = within.member(name);
  }
  if (args == nullptr) return Json(Json::Object{});
  const std::string member(shape.args[0]);
  if (args->is_string() && shape.args_are_text) {
    const std::string_view text = trimmed(args->as_string());
    if (text.empty()) return Json(Json::Object{});
    Result<Json> read = Json::parse(text, Json::Limits{.gait = true});
    if (!read) return invalid(member + " is not JSON: " + read.error().detail);
    if (read->is_null()) return Json(Json::Object{});
    if (read->is_object()) return read;
    return invalid(member + " is not the text of an object");
  }
  if (!args->is_object()) return invalid(member + " is not an object");
  return *args;
}

std::string name_of(const Shape& shape, GaitFields& within) {
  for (const std::string_view member : shape.names) {
    std::string name;
    if (!member.empty()) within.text(member, name);
    if (!trimmed(name).empty()) return std::string(trimmed(name));
  }
  return {};
}

std::string claude_name(std::string_view given) {
  std::string bare = lowered(given);
  std::erase_if(bare, [](char c) { return c == ' ' || c == '_' || c == '-'; });
  const auto known = std::ranges::find(kClaudeTools, bare, &KnownTool::tool);
  if (known != std::end(kClaudeTools)) return std::string(known->name);
  std::string name = lowered(given);
  if (name.find('.') != std::string::npos) return name;
  std::ranges::replace_if(
      name, [](char c) { return c == ' ' || c == '-'; }, '_');
  return "tool." + name;
}

Json::Array claude_targets(std::string_view tool, const Json& args) {
  Json::Array out;
  for (const NamedTarget& row : kClaudeTargets) {
    if (row.tool != tool) continue;
    for (const std::string_view member : row.args) {
      const std::string_view value = trimmed(args.text(member));
      if (value.empty()) continue;
      out.push_back(Json::object({{"kind", row.kind}, {"value", value}, {"operation", row.operation}}));
      break;
    }
  }
  return out;
}

// What a hook of Claude Code adds to its call's context.
void add_claude_context(GaitFields& call, Json& context) {
  std::string session, event;
  call.text("session_id", session);
  call.text("hook_event_name", event);
  if (!trimmed(session).empty() && trimmed(context.text("session_id")).empty()) {
    context.set("session_id", trimmed(session));
  }
  if (trimmed(event).empty()) return;
  if (context.find("auth_context") == nullptr) context.set("auth_context", Json(Json::Object{}));
  Json* auth = context.find("auth_context");
  if (!auth->is_object()) return;  // the intent's reader says what is wrong with it
  auth->set("hook_event_name", trimmed(event));
  auth->set("adapter", kClaudeCode);
}

Json::Array joined(Json::Array list, const Json* more) {
  if (more != nullptr && more->is_array()) list.insert(list.end(), more->as_array().begin(), more->as_array().end());
  return list;
}

}  // namespace

Result<ToolCall> ToolCall::parse(std::string_view adapter, const Json& call, CallReading reading) {
  const std::string wanted = lowered(trimmed(adapter));
  const Shape* shape = shape_of(wanted);
  if (shape == nullptr) {
    return Error{ErrorCode::Invalid, "unsupported adapter: " + wanted, "unknown_adapter",
                 "mcp, openai, anthropic, langchain and claude_code are known"};
  }
  if (!call.is_object()) return invalid("is no object");
  FirstError error{"tool call: "};
  GaitFields fields(call, shape->structure, error);
  const Json* inner = shape->within.empty() ? &call : fields.structure(shape->within);
  RETURN_IF_ERROR(error.status());
  if (inner == nullptr) return invalid(std::string(shape->within) + " is missing");
  GaitFields within(*inner, shape->structure, error);
  std::string name = name_of(*shape, within);
  ASSIGN_OR_RETURN(Json args, arguments_of(*shape, within));

  ToolCall out;
  const bool takes_members = shape->has_members || reading == CallReading::Whole;
  CallMembers members;
  if (takes_members) members = CallMembers::read(fields, reading, out);
  if (wanted.starts_with("claude") && !name.empty()) {
    name = claude_name(name);
    members.targets = joined(claude_targets(name, args), &members.targets);
    add_claude_context(fields, members.context);
  }
  RETURN_IF_ERROR(error.status());
  if (!members.script.is_null()) {
    name = "script";
    args = Json(Json::Object{});
  }
  if (name.empty()) return invalid(std::string(shape->names[0]) + " is missing");
  out.intent = Json::object({{"tool_name", std::move(name)}, {"args", std::move(args)}});
  members.put_into(out);
  return out;
}

std::string run_id_of(std::string_view text) {
  std::string out;
  for (const char c : trimmed(text)) {
    const bool plain =
        (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
    if (plain) {
      out += c;
    } else if (out.empty() || out.back() != '_') {
      out += '_';
    }
  }
  out.erase(0, std::min(out.find_first_not_of('_'), out.size()));
  out.erase(out.find_last_not_of('_') + 1);
  return out.empty() || out.starts_with("run_") ? out : "run_" + out;
}

}  // namespace countersign::gate
