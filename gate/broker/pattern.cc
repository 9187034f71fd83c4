#include "gate/broker/pattern.h"

#include <string>

namespace countersign::broker {
namespace {

constexpr std::string_view kNameCharacters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._/@:-";

bool plain(std::string_view text, std::string_view more) {
  return !text.empty() && text.size() <= kLongestName &&
         text.find_first_not_of(std::string(kNameCharacters) + std::string(more)) == std::string_view::npos;
}

}  // namespace

Status check_tool_id(std::string_view tool) {
  if (plain(tool, "") && tool.find("..") == std::string_view::npos) return ok();
  return Error{ErrorCode::Invalid, "a tool's id has up to 200 letters, digits and ._/@:- and no ..", "bad_tool_id",
               "it is the server's name, a colon, and the name the server gives the tool"};
}

Status check_pattern(std::string_view pattern) {
  if (plain(pattern, "*")) return ok();
  return Error{ErrorCode::Invalid, "a pattern has up to 200 letters, digits and ._/@:-, and * for any of them",
               "bad_pattern"};
}

bool matches(std::string_view pattern, std::string_view name) {
  std::size_t at = 0;
  std::size_t read = 0;
  std::size_t star = std::string_view::npos;  // the last one, and what it began to stand for
  std::size_t covered = 0;
  while (read < name.size()) {
    if (at < pattern.size() && pattern[at] == '*') {
      star = at++;
      covered = read;
    } else if (at < pattern.size() && pattern[at] == name[read]) {
      ++at;
      ++read;
    } else if (star != std::string_view::npos) {
      at = star + 1;
      read = ++covered;
    } else {
      return false;
    }
  }
  return pattern.find_first_not_of('*', at) == std::string_view::npos;
}

std::string_view server_of(std::string_view tool) {
  return tool.substr(0, tool.find(':'));
}

std::string_view name_of(std::string_view tool) {
  const std::size_t colon = tool.find(':');
  return colon == std::string_view::npos ? std::string_view() : tool.substr(colon + 1);
}

}  // namespace countersign::broker
