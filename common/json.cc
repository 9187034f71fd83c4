#include "common/json.h"

#include <algorithm>
#include <limits>

namespace countersign {

Json::Json(std::uint64_t value) {
  if (value <= static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) {
    value_ = static_cast<std::int64_t>(value);
  } else {
    value_ = static_cast<double>(value);
  }
}

Json Json::array(const std::vector<std::string>& texts) {
  Array out;
  out.reserve(texts.size());
  for (const std::string& text : texts) out.emplace_back(text);
  return Json(std::move(out));
}

const Json* Json::find(std::string_view name) const {
  const auto* object = std::get_if<Object>(&value_);
  if (object == nullptr) return nullptr;
  for (const Member& member : *object) {
    if (member.first == name) return &member.second;
  }
  return nullptr;
}

Json* Json::find(std::string_view name) {
  return const_cast<Json*>(std::as_const(*this).find(name));
}

std::string_view Json::text(std::string_view name) const {
  const Json* member = find(name);
  return member != nullptr && member->is_string() ? std::string_view(member->as_string()) : std::string_view();
}

void Json::set(std::string_view name, Json value) {
  if (is_null()) value_ = Object{};
  if (Json* member = find(name)) {
    *member = std::move(value);
  } else {
    as_object().emplace_back(std::string(name), std::move(value));
  }
}

bool Json::erase(std::string_view name) {
  auto* object = std::get_if<Object>(&value_);
  if (object == nullptr) return false;
  const auto at = std::find_if(object->begin(), object->end(), [&](const Member& m) { return m.first == name; });
  if (at == object->end()) return false;
  object->erase(at);
  return true;
}

}  // namespace countersign
