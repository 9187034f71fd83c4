// A cell of a table or list for people.
#pragma once

#include <algorithm>
#include <string>
#include <string_view>

namespace countersign::command {

// `text` filled with spaces up to `width`, and with at least one.
inline std::string padded(std::string_view text, std::size_t width) {
  std::string cell(text);
  cell.resize(std::max(cell.size() + 1, width), ' ');
  return cell;
}

}  // namespace countersign::command
