#include "common/json_fields.h"

#include <algorithm>

namespace countersign {

const Json* JsonFields::take(std::string_view name) {
  taken_.emplace_back(name);
  return object_.find(name);
}

Result<const Json*> JsonFields::required(std::string_view name) {
  const Json* value = take(name);
  if (value == nullptr) return wrong(name, "is missing");
  return value;
}

Result<std::string> JsonFields::text(std::string_view name) {
  ASSIGN_OR_RETURN(const Json* value, required(name));
  if (!value->is_string()) return wrong(name, "is not a text");
  return value->as_string();
}

Result<std::int64_t> JsonFields::integer(std::string_view name, std::int64_t least, std::int64_t most) {
  ASSIGN_OR_RETURN(const Json* value, required(name));
  if (!value->is_integer() || value->as_integer() < least || value->as_integer() > most) {
    return wrong(name, "is not an integer from " + std::to_string(least) + " to " + std::to_string(most));
  }
  return value->as_integer();
}

Result<bool> JsonFields::boolean(std::string_view name) {
  ASSIGN_OR_RETURN(const Json* value, required(name));
  if (!value->is_bool()) return wrong(name, "is not true or false");
  return value->as_bool();
}

Result<const Json::Array*> JsonFields::array(std::string_view name) {
  ASSIGN_OR_RETURN(const Json* value, required(name));
  if (!value->is_array()) return wrong(name, "is not a list");
  return &value->as_array();
}

Result<std::vector<std::string>> JsonFields::texts(std::string_view name) {
  ASSIGN_OR_RETURN(const Json::Array* values, array(name));
  std::vector<std::string> texts;
  for (const Json& value : *values) {
    if (!value.is_string()) return wrong(name, "is not a list of texts");
    texts.push_back(value.as_string());
  }
  return texts;
}

Status JsonFields::finish() const {
  if (!object_.is_object()) return Error{ErrorCode::Invalid, path_ + " is not an object"};
  for (const Json::Member& member : object_.as_object()) {
    if (std::find(taken_.begin(), taken_.end(), member.first) == taken_.end()) {
      return wrong(member.first, "is not a member that is known here");
    }
  }
  return ok();
}

std::string JsonFields::path_of(std::string_view name) const {
  return path_.empty() ? std::string(name) : path_ + "." + std::string(name);
}

Error JsonFields::wrong(std::string_view name, std::string_view what) const {
  return Error{ErrorCode::Invalid, path_of(name) + " " + std::string(what)};
}

}  // namespace countersign
