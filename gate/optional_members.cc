#include "gate/optional_members.h"

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

}  // namespace countersign::gate
