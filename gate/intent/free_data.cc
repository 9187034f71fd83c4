#include "gate/intent/free_data.h"

#include <set>

#include "common/text.h"

namespace countersign::gate {
namespace {

Error refused(const std::string& path, std::string detail) {
  return Error{ErrorCode::Invalid, std::move(detail)}.at(path);
}

void trim(std::string& text) {
  text = std::string(trimmed(text));
}

Error unbound(const std::string& path) {
  return Error{ErrorCode::Invalid,
               path +
                   " begins or ends with white space, which the digest does not cover: another text would be approved "
                   "with it",
               "unbound_white_space",
               "pass --exact-args to have it bound, or --gait-args to have it trimmed as gait does"}
      .at(path);
}

}  // namespace

Status trim_free_data(Json& value, const std::string& what, const std::string& path,
                      ArgsReading reading) {  // NOLINT(misc-no-recursion)
  const auto changes = [reading](std::string_view text) {
    return reading == ArgsReading::Bound && trimmed(text).size() != text.size();
  };
  if (value.is_integer() && reading != ArgsReading::AsGait &&
      ecmascript_number(value.as_double()) != std::to_string(value.as_integer())) {
    return Error{ErrorCode::Invalid, path + " is an integer beyond 2^53, which its digest does not tell from others",
                 "inexact_integer", "write it as a string, or pass --gait-args to have it rounded as gait does"}
        .at(path);
  }
  if (value.is_string()) {
    if (changes(value.as_string())) return unbound(path);
    trim(value.as_string());
  } else if (value.is_array()) {
    for (std::size_t i = 0; i < value.as_array().size(); ++i) {
      RETURN_IF_ERROR(trim_free_data(value.as_array()[i], what, path + "[" + std::to_string(i) + "]", reading));
    }
  } else if (value.is_object()) {
    std::set<std::string, std::less<>> keys;
    for (Json::Member& member : value.as_object()) {
      if (trimmed(member.first).empty()) return refused(path, what + " contains empty key");
      if (changes(member.first)) return unbound("a key of " + path).at(path);
      trim(member.first);
      // gait lets one of the two win at random (gait-formats §19.8): approved and executed could differ.
      if (!keys.insert(member.first).second) {
        return refused(path, what + " contains keys that are equal without outer white space: " + member.first);
      }
      RETURN_IF_ERROR(trim_free_data(member.second, what, path + "." + member.first, reading));
    }
  }
  return ok();
}

}  // namespace countersign::gate
