// Text as one word of a command line for sh(1).
#pragma once

#include <string>
#include <string_view>

namespace countersign {

// The text itself where it needs no quoting, else in single quotes (POSIX.1-2017, Shell Command Language §2.2.2).
inline std::string shell_word(std::string_view text) {
  constexpr std::string_view kPlain = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_./:,@%+=-";
  if (!text.empty() && text.find_first_not_of(kPlain) == std::string_view::npos) return std::string(text);
  std::string word = "'";
  for (const char c : text) {
    if (c == '\'') {
      word += "'\\''";
    } else {
      word += c;
    }
  }
  return word + "'";
}

}  // namespace countersign
