#include "gate/document/optional_members.h"

namespace countersign::gate {

void put(Json& object, std::string_view name, std::string_view text) {
  if (!text.empty()) object.set(name, Json(text));
}

void put(Json& object, std::string_view name, const std::vector<std::string>& texts) {
  if (!texts.empty()) object.set(name, Json::array(texts));
}

void put(Json& object, std::string_view name, std::int64_t number) {
  if (number != 0) object.set(name, Json(number));
}

void put_flag(Json& object, std::string_view name, bool flag) {
  if (flag) object.set(name, Json(true));
}

void put_member(Json& object, std::string_view name, const std::optional<Json>& value) {
  if (value && !value->is_null()) object.set(name, *value);
}

std::vector<std::string> texts_of(const Json* list) {
  std::vector<std::string> out;
  if (list == nullptr || !list->is_array()) return out;
  for (const Json& text : list->as_array()) {
    if (text.is_string()) out.push_back(text.as_string());
  }
  return out;
}

}  // namespace countersign::gate
