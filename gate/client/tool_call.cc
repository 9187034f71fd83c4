// Calls as frameworks shape them (reference: gait-formats §17), as intents.
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

}  // namespace

std::string intent_of_call(const std::string& adapter, const std::string& call, const std::string& context,
                           const std::string& targets) {
  const Result<Json> written = Json::parse(call, {.gait = true});
  const Result<Json> whose = Json::parse(context, {.gait = true});
  if (!written || !written->is_object() || !whose || !whose->is_object()) return {};
  for (const Shape& shape : kShapes) {
    if (shape.adapter != adapter) continue;
    const Json* inner = shape.within.empty() ? &*written : written->find(shape.within);
    if (inner == nullptr) return {};
    Json arguments = arguments_of(*inner, shape);
    const std::string_view name = inner->text(shape.name);
    if (!arguments.is_object() || trimmed(name).empty()) return {};
    Json::Array aims;
    const Json* own = adapter == "mcp" ? written->find("targets") : nullptr;
    const Result<Json> given = Json::parse(targets.empty() ? "[]" : targets, {.gait = true});
    if (!given || !given->is_array()) return {};
    if (own != nullptr && !own->is_array()) return {};
    aims = given->as_array().empty() && own != nullptr ? own->as_array() : given->as_array();
    return Json::object({{"schema_id", "gait.gate.intent_request"},
                         {"schema_version", "1.0.0"},
                         {"tool_name", name},
                         {"args", std::move(arguments)},
                         {"targets", std::move(aims)},
                         {"context", *whose}})
        .compact();
  }
  return {};
}

}  // namespace countersign::guard
