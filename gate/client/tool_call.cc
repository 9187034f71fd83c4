// Calls as frameworks shape them (reference: gait-formats §17), as intents.
#include <algorithm>

#include "common/json.h"
#include "common/text.h"
#include "gate/client/guarded_gate.h"

namespace countersign::guard {
namespace {

// Where a call of one shape keeps its name and its arguments. OpenAI's lie one level deeper, the arguments as text.
struct Shape {
  std::string_view adapter;
  std::string_view within;
  std::string_view name;
  std::string_view arguments;
  std::string_view arguments_too;  // another name of the same
};
constexpr Shape kShapes[] = {
    {"mcp", "", "name", "args", "arguments"},
    {"openai", "function", "name", "arguments", ""},
    {"anthropic", "", "name", "input", ""},
    {"langchain", "", "tool", "tool_input", ""},
    {"claude_code", "", "tool_name", "tool_input", ""},
};

Json arguments_of(const Json& call, const Shape& shape) {
  const Json* given = call.find(shape.arguments);
  if (given == nullptr && !shape.arguments_too.empty()) given = call.find(shape.arguments_too);
  if (given == nullptr) return shape.adapter == "mcp" ? Json(Json::Object{}) : Json();
  if (!given->is_string() || shape.adapter != "openai") return *given;
  const Result<Json> read = Json::parse(given->as_string(), {.gait = true});
  return read ? *read : Json();
}

std::string intent_of(std::string_view name, Json arguments, const std::string& context, const std::string& targets) {
  const Result<Json> whose = Json::parse(context, {.gait = true});
  Result<Json> aims = Json::parse(targets.empty() ? "[]" : targets, {.gait = true});
  if (!whose || !whose->is_object() || !aims || !aims->is_array()) return {};
  if (trimmed(name).empty() || !arguments.is_object()) return {};
  return Json::object({{"schema_id", "gait.gate.intent_request"},
                       {"schema_version", "1.0.0"},
                       {"tool_name", name},
                       {"args", std::move(arguments)},
                       {"targets", *std::move(aims)},
                       {"context", *whose}})
      .compact();
}

}  // namespace

std::string intent_of_call(const std::string& adapter, const std::string& call, const std::string& context,
                           const std::string& targets) {
  const Result<Json> written = Json::parse(call, {.gait = true});
  const auto shape = std::ranges::find(kShapes, adapter, &Shape::adapter);
  if (!written || !written->is_object() || shape == std::end(kShapes)) return {};
  const Json* inner = shape->within.empty() ? &*written : written->find(shape->within);
  if (inner == nullptr) return {};
  // Only this shape names targets itself.
  const Json* own = adapter == "mcp" && targets.empty() ? written->find("targets") : nullptr;
  return intent_of(inner->text(shape->name), arguments_of(*inner, *shape), context,
                   own != nullptr ? own->compact() : targets);
}

std::string intent_of_command(const std::string& tool_name, const std::vector<std::string>& argv,
                              const std::string& context, const std::string& targets) {
  return intent_of(tool_name, Json::object({{"argv", Json::array(argv)}}), context, targets);
}

}  // namespace countersign::guard
