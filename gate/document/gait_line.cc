#include "gate/document/gait_line.h"

#include <utility>

namespace countersign::gate {

std::string gait_log_line(const Json& document) {
  const bool object = document.is_object();
  if (!object && !document.is_array()) return document.gait_line();
  std::string out;
  bool first = true;
  const auto next = [&out, &first] {
    if (!std::exchange(first, false)) out += ',';
  };
  if (object) {
    for (const auto& [name, value] : document.as_object()) {
      next();
      out += Json(name).gait_line() + ":" + gait_log_line(value);
    }
    return "{" + out + "}";
  }
  for (const Json& value : document.as_array()) {
    next();
    out += gait_log_line(value);
  }
  return "[" + out + "]";
}

}  // namespace countersign::gate
