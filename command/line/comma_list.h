// Lists in one flag, separated by commas.
#pragma once

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "common/text.h"

namespace countersign::command {

// The parts of "a, b,,c", trimmed, without empty ones, in their order.
inline std::vector<std::string> comma_list(std::string_view list) {
  std::vector<std::string> out;
  while (!list.empty()) {
    const std::size_t comma = std::min(list.find(','), list.size());
    if (const std::string_view part = trimmed(list.substr(0, comma)); !part.empty()) out.emplace_back(part);
    list.remove_prefix(std::min(comma + 1, list.size()));
  }
  return out;
}

}  // namespace countersign::command
