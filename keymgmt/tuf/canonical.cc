#include "keymgmt/tuf/canonical.h"

#include <algorithm>

namespace countersign::tuf {
namespace {

constexpr std::int64_t kLargestInteger = (std::int64_t{1} << 53) - 1;

Error not_canonical(std::string detail) {
  return Error{ErrorCode::Invalid, "TUF metadata holds " + std::move(detail), "not_canonical"};
}

Status append_text(std::string& out, const std::string& text) {
  out += '"';
  for (const char c : text) {
    if (c != '\n' && (c < 0x20 || c > 0x7e)) return not_canonical("a text that is not printable ASCII");
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  out += '"';
  return ok();
}

Status append(std::string& out, const Json& value);

Status append_object(std::string& out, const Json::Object& object) {
  std::vector<const Json::Member*> members;
  members.reserve(object.size());
  for (const Json::Member& member : object) members.push_back(&member);
  // ASCII alone, so bytes sort as UTF-16 code units do.
  std::sort(members.begin(), members.end(), [](const auto* a, const auto* b) { return a->first < b->first; });
  out += '{';
  for (const Json::Member* member : members) {
    if (member != members.front()) out += ',';
    RETURN_IF_ERROR(append_text(out, member->first));
    out += ':';
    RETURN_IF_ERROR(append(out, member->second));
  }
  out += '}';
  return ok();
}

Status append(std::string& out, const Json& value) {
  if (value.is_string()) return append_text(out, value.as_string());
  if (value.is_object()) return append_object(out, value.as_object());
  if (value.is_array()) {
    out += '[';
    for (const Json& element : value.as_array()) {
      if (&element != &value.as_array().front()) out += ',';
      RETURN_IF_ERROR(append(out, element));
    }
    out += ']';
    return ok();
  }
  if (value.is_integer()) {
    if (value.as_integer() > kLargestInteger || value.as_integer() < -kLargestInteger) {
      return not_canonical("an integer beyond 2^53");
    }
    out += std::to_string(value.as_integer());
    return ok();
  }
  if (value.is_number()) return not_canonical("a number that is no integer");
  out += value.is_bool() ? (value.as_bool() ? "true" : "false") : "null";
  return ok();
}

}  // namespace

Result<std::string> canonical(const Json& value) {
  std::string out;
  RETURN_IF_ERROR(append(out, value));
  return out;
}

}  // namespace countersign::tuf
