// Text as part of an HTML page.
#pragma once

#include <string>
#include <string_view>

namespace countersign {

// For element content and for attribute values in double or single quotes (HTML Living Standard §13.3).
inline std::string html_text(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '&':
        out += "&amp;";
        break;
      case '"':
        out += "&quot;";
        break;
      case '\'':
        out += "&#39;";
        break;
      default:
        out += c;
    }
  }
  return out;
}

}  // namespace countersign
