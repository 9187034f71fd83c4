#include "common/json.h"

#include <algorithm>
#include <limits>

namespace countersign {

Json::Json() noexcept = default;
Json::Json(std::nullptr_t) noexcept {}
Json::Json(bool value) : value_(value) {}
Json::Json(std::int64_t value) : value_(value) {}
Json::Json(int value) : value_(std::int64_t{value}) {}
Json::Json(double value) : value_(value) {}
Json::Json(std::string value) : value_(std::move(value)) {}
Json::Json(std::string_view value) : value_(std::string(value)) {}
Json::Json(const char* value) : value_(std::string(value)) {}
Json::Json(Array value) : value_(std::move(value)) {}
Json::Json(Object value) : value_(std::move(value)) {}
Json::Json(const Json&) = default;
Json::Json(Json&&) noexcept = default;
Json& Json::operator=(const Json&) = default;
Json& Json::operator=(Json&&) noexcept = default;
Json::~Json() = default;

bool Json::operator==(const Json&) const = default;

Json::Json(std::uint64_t value) {
  if (value <= static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) {
    value_ = static_cast<std::int64_t>(value);
  } else {
    value_ = static_cast<double>(value);
  }
}

Json Json::object(std::initializer_list<Member> members) {
  return Json(Object(members));
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

template class std::vector<countersign::Json>;
template class std::vector<countersign::Json::Member>;
