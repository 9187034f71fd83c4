#include "gate/broker/parameter_headers.h"

#include <algorithm>
#include <optional>
#include <set>

#include "common/bytes.h"
#include "common/text.h"

namespace countersign::broker {
namespace {

constexpr std::string_view kMark = "x-mcp-header";
constexpr std::string_view kField = "Mcp-Param-";
// Members of a schema that hold values, not schemas.
constexpr std::string_view kData[] = {"default", "examples", "const", "enum"};
constexpr std::string_view kTypes[] = {"string", "integer", "boolean"};

bool is_field_name(std::string_view text) {
  constexpr std::string_view kOthers = "!#$%&'*+-.^_`|~";
  return !text.empty() && std::ranges::all_of(text, [&](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           kOthers.find(c) != std::string_view::npos;
  });
}

std::optional<std::string> written(const Json& value) {
  if (value.is_string()) return value.as_string();
  if (value.is_bool()) return value.as_bool() ? "true" : "false";
  if (value.is_integer()) return std::to_string(value.as_integer());
  return std::nullopt;
}

class Marks {
 public:
  // `value` is the argument that the schema is of, where properties alone lead to it and it is there.
  Status look(const Json& schema, const Json* value, bool by_properties, bool is_root) {
    if (schema.is_array()) {
      for (const Json& each : schema.as_array()) RETURN_IF_ERROR(look(each, nullptr, false, false));
      return ok();
    }
    if (!schema.is_object()) return ok();
    const Json* mark = schema.find(kMark);
    if (mark != nullptr && (by_properties || mark->is_string())) {
      RETURN_IF_ERROR(add(schema, *mark, value, by_properties && !is_root));
    }
    for (const auto& [name, member] : schema.as_object()) {
      if (std::ranges::find(kData, name) != std::end(kData) || name == kMark) continue;
      if (name != "properties" || !by_properties || !member.is_object()) {
        RETURN_IF_ERROR(look(member, nullptr, false, false));
        continue;
      }
      for (const auto& [property, below] : member.as_object()) {
        const Json* argument = value != nullptr && value->is_object() ? value->find(property) : nullptr;
        RETURN_IF_ERROR(look(below, argument, true, false));
      }
    }
    return ok();
  }

  std::vector<std::string> fields;

 private:
  static Error wrong(const std::string& why) {
    return Error{ErrorCode::Invalid, "the tool's schema marks " + why + " with x-mcp-header", "not_sent"};
  }

  Status add(const Json& schema, const Json& mark, const Json* value, bool in_place) {
    if (!in_place) return wrong("something that properties alone do not lead to");
    if (!mark.is_string() || !is_field_name(mark.as_string())) return wrong("a property by what is no field name");
    if (std::ranges::find(kTypes, schema.text("type")) == std::end(kTypes)) {
      return wrong("a property that is no text, whole number or boolean");
    }
    if (!names_.insert(lowered(mark.as_string())).second) return wrong("two properties by one name");
    const std::optional<std::string> text = value == nullptr ? std::nullopt : written(*value);
    if (text) fields.push_back(std::string(kField) + mark.as_string() + ": " + field_value(*text));
    return ok();
  }

  std::set<std::string> names_;
};

}  // namespace

std::string field_value(const std::string& text) {
  const bool plain = !text.empty() && text.front() != ' ' && text.back() != ' ' && !text.starts_with("=?base64?") &&
                     std::ranges::all_of(text, [](char c) { return c >= ' ' && c <= '~'; });
  return plain ? text : "=?base64?" + to_base64(view_of(text)) + "?=";
}

Result<std::vector<std::string>> parameter_headers(const Json& schema, const Json& arguments) {
  Marks marks;
  RETURN_IF_ERROR(marks.look(schema, &arguments, true, true));
  return std::move(marks.fields);
}

}  // namespace countersign::broker
