#include "gate/document/gait_fields.h"

#include <algorithm>

#include "common/text.h"
#include "gate/document/go_texts.h"

namespace countersign::gate {
namespace {

constexpr std::string_view kLongS = "\xc5\xbf";  // U+017F, which Go folds to "s" and lower-casing leaves alone

std::string folded(std::string_view name) {
  std::string out = lowered(name);
  for (std::size_t at = out.find(kLongS); at != std::string::npos; at = out.find(kLongS)) {
    out.replace(at, kLongS.size(), "s");
  }
  return out;
}

// Whether `given` spells `name`, which is ASCII in lower case. Most spellings are ASCII too: those need no copy.
bool folds_to(std::string_view given, std::string_view name) {
  if (given.size() < name.size()) return false;
  const bool ascii = std::all_of(given.begin(), given.end(), [](char c) { return static_cast<signed char>(c) >= 0; });
  if (!ascii) return folded(given) == name;
  return std::equal(given.begin(), given.end(), name.begin(), name.end(),
                    [](char a, char b) { return (a >= 'A' && a <= 'Z' ? static_cast<char>(a + 32) : a) == b; });
}

std::string_view go_kind(const Json& value) {
  if (value.is_bool()) return "bool";
  if (value.is_number()) return "number";
  if (value.is_string()) return "string";
  if (value.is_array()) return "array";
  return "object";
}

}  // namespace

void FirstError::add(std::string detail, std::string field) {
  if (!detail_.empty()) return;
  detail_ = std::move(detail);
  field_ = std::move(field);
}

Status FirstError::status() const {
  if (detail_.empty()) return ok();
  return Error{ErrorCode::Invalid, context_ + detail_}.at(field_);
}

void GaitFields::mistyped(std::string_view name, const Json& value, std::string_view wanted,
                          std::optional<std::size_t> index) {
  const std::string field = std::string(structure_) + "." + DocumentPlace(place_, name).go_path();
  error_.add("json: cannot unmarshal " + std::string(go_kind(value)) + " into Go struct field " + field + " of type " +
                 std::string(wanted),
             place_.of(name, index));
}

const Json* GaitFields::member(std::string_view name) {
  asked_.push_back(name);
  const Json* found = nullptr;
  for (const Json::Member& member : object_.as_object()) {
    if (!folds_to(member.first, name)) continue;
    if (found != nullptr) {
      error_.add("member \"" + std::string(name) + "\" is repeated", place_.of(name));
      return nullptr;
    }
    found = &member.second;
  }
  return found == nullptr || found->is_null() ? nullptr : found;
}

void GaitFields::refuse_unknown() {
  for (const Json::Member& member : object_.as_object()) {
    if (std::find(asked_.begin(), asked_.end(), folded(member.first)) == asked_.end()) {
      error_.add("json: unknown field \"" + member.first + "\"", place_.of(member.first));
    }
  }
}

void GaitFields::text(std::string_view name, std::string& out) {
  const Json* value = member(name);
  if (value == nullptr) return;
  if (!value->is_string()) return mistyped(name, *value, "string");
  out = value->as_string();
}

void GaitFields::texts(std::string_view name, std::vector<std::string>& out) {
  const Json* value = member(name);
  if (value == nullptr) return;
  if (!value->is_array()) return mistyped(name, *value, "[]string");
  for (std::size_t i = 0; i < value->as_array().size(); ++i) {
    const Json& element = value->as_array()[i];
    if (element.is_string()) {
      out.push_back(element.as_string());
    } else if (element.is_null()) {
      out.emplace_back();
    } else {
      return mistyped(name, element, "string", i);
    }
  }
}

void GaitFields::integer(std::string_view name, std::int64_t& out, std::string_view wanted) {
  const Json* value = member(name);
  if (value == nullptr) return;
  if (!value->is_integer()) return mistyped(name, *value, wanted);
  out = value->as_integer();
}

void GaitFields::boolean(std::string_view name, bool& out) {
  const Json* value = member(name);
  if (value == nullptr) return;
  if (!value->is_bool()) return mistyped(name, *value, "bool");
  out = value->as_bool();
}

void GaitFields::number(std::string_view name, double& out) {
  const Json* value = member(name);
  if (value == nullptr) return;
  if (!value->is_number()) return mistyped(name, *value, "float64");
  out = value->as_double();
}

void GaitFields::time(std::string_view name, UtcTime& out) {
  const Json* value = member(name);
  if (value == nullptr) return;
  if (!value->is_string()) return error_.add("Time.UnmarshalJSON: input is not a JSON string", place_.of(name));
  const Result<UtcTime> time = UtcTime::parse(value->as_string());
  if (!time) return error_.add(go_time_complaint(value->as_string()), place_.of(name));
  out = *time;
}

void GaitFields::map(std::string_view name, Json& out) {
  const Json* value = member(name);
  if (value == nullptr) return;
  if (!value->is_object()) return mistyped(name, *value, "map[string]interface {}");
  out = *value;
}

const Json* GaitFields::structure(std::string_view name) {
  const Json* value = member(name);
  if (value == nullptr) return nullptr;
  if (!value->is_object()) {
    mistyped(name, *value, "struct");
    return nullptr;
  }
  return value;
}

std::vector<const Json*> GaitFields::structures(std::string_view name) {
  static const Json kEmpty{Json::Object{}};
  std::vector<const Json*> out;
  const Json* value = member(name);
  if (value == nullptr) return out;
  if (!value->is_array()) {
    mistyped(name, *value, "[]struct");
    return out;
  }
  for (std::size_t i = 0; i < value->as_array().size(); ++i) {
    const Json& element = value->as_array()[i];
    if (element.is_null()) {
      out.push_back(&kEmpty);
    } else if (element.is_object()) {
      out.push_back(&element);
    } else {
      mistyped(name, element, "struct", i);
      return {};
    }
  }
  return out;
}

bool is_digest_text(std::string_view text) {
  return text.size() == 64 &&
         std::all_of(text.begin(), text.end(), [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

}  // namespace countersign::gate
