#include "common/text.h"

#include <utf8proc.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace countersign {
namespace {

bool is_white_space(utf8proc_int32_t c) {
  return (c >= 0x09 && c <= 0x0d) || c == 0x20 || c == 0x85 || c == 0xa0 || c == 0x1680 ||
         (c >= 0x2000 && c <= 0x200a) || c == 0x2028 || c == 0x2029 || c == 0x202f || c == 0x205f || c == 0x3000;
}

const utf8proc_uint8_t* data_of(std::string_view text) {
  return reinterpret_cast<const utf8proc_uint8_t*>(text.data());
}

// Decodes one code point at the start of `text`; its length in bytes, or 0 if the bytes are no UTF-8.
std::size_t first_code_point(std::string_view text, utf8proc_int32_t& code_point) {
  const utf8proc_ssize_t length =
      utf8proc_iterate(data_of(text), static_cast<utf8proc_ssize_t>(text.size()), &code_point);
  return length > 0 ? static_cast<std::size_t>(length) : 0;
}

std::string composed(std::string_view text) {
  utf8proc_uint8_t* out = nullptr;
  const utf8proc_ssize_t length = utf8proc_map(data_of(text), static_cast<utf8proc_ssize_t>(text.size()), &out,
                                               static_cast<utf8proc_option_t>(UTF8PROC_STABLE | UTF8PROC_COMPOSE));
  if (length < 0) return std::string(text);  // callers checked that it is UTF-8
  std::string result(reinterpret_cast<const char*>(out), static_cast<std::size_t>(length));
  std::free(out);
  return result;
}

// Unicode's Default_Ignorable_Code_Point, without the selectors that only choose how an emoji looks.
bool leaves_no_mark(utf8proc_int32_t c) {
  constexpr utf8proc_int32_t kFirstSelector = 0xfe00;
  constexpr utf8proc_int32_t kLastSelector = 0xfe0f;
  return utf8proc_get_property(c)->ignorable != 0 && (c < kFirstSelector || c > kLastSelector);
}

bool is_shown_as_number(utf8proc_category_t category) {
  switch (static_cast<int>(category)) {
    case UTF8PROC_CATEGORY_CC:
    case UTF8PROC_CATEGORY_CF:
    case UTF8PROC_CATEGORY_CS:
    case UTF8PROC_CATEGORY_CO:
    case UTF8PROC_CATEGORY_CN:
    case UTF8PROC_CATEGORY_ZL:
    case UTF8PROC_CATEGORY_ZP:
      return true;
    default:
      return false;
  }
}

// A simple mapping of case: of ASCII the letters from `first` to `last` by `distance`, of the rest one by one.
struct CaseMapping {
  char first;
  char last;
  int distance;
  utf8proc_int32_t (*of)(utf8proc_int32_t);
};

std::string mapped(std::string_view text, const CaseMapping& mapping) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    if (static_cast<unsigned char>(text.front()) < 0x80) {
      const char c = text.front();
      out += c >= mapping.first && c <= mapping.last ? static_cast<char>(c + mapping.distance) : c;
      text.remove_prefix(1);
      continue;
    }
    utf8proc_int32_t c = 0;
    const std::size_t length = first_code_point(text, c);
    if (length == 0) {
      out += text.front();
      text.remove_prefix(1);
      continue;
    }
    utf8proc_uint8_t encoded[4];
    const utf8proc_ssize_t size = utf8proc_encode_char(mapping.of(c), encoded);
    out.append(reinterpret_cast<const char*>(encoded), static_cast<std::size_t>(size));
    text.remove_prefix(length);
  }
  return out;
}

}  // namespace

std::string_view trimmed(std::string_view text) {
  while (!text.empty()) {
    utf8proc_int32_t c = 0;
    const std::size_t length = first_code_point(text, c);
    if (length == 0 || !is_white_space(c)) break;
    text.remove_prefix(length);
  }
  while (!text.empty()) {
    std::size_t start = text.size() - 1;
    while (start > 0 && text.size() - start < 4 && (static_cast<unsigned char>(text[start]) & 0xc0) == 0x80) --start;
    utf8proc_int32_t c = 0;
    const std::size_t length = first_code_point(text.substr(start), c);
    if (length != text.size() - start || !is_white_space(c)) break;
    text.remove_suffix(length);
  }
  return text;
}

std::string lowered(std::string_view text) {
  return mapped(text, {'A', 'Z', 'a' - 'A', utf8proc_tolower});
}

std::string uppered(std::string_view text) {
  return mapped(text, {'a', 'z', 'A' - 'a', utf8proc_toupper});
}

std::vector<std::string> text_set(const std::vector<std::string>& texts, bool lower) {
  std::vector<std::string> out;
  for (const std::string& text : texts) {
    std::string member = lower ? lowered(trimmed(text)) : std::string(trimmed(text));
    if (!member.empty()) out.push_back(std::move(member));
  }
  std::sort(out.begin(), out.end());
  out.erase(std::unique(out.begin(), out.end()), out.end());
  return out;
}

std::vector<std::string_view> lines_of(std::string_view text) {
  std::vector<std::string_view> lines;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    lines.push_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return lines;
}

namespace {

bool is_obeyed_or_hidden(utf8proc_int32_t c) {
  return is_shown_as_number(utf8proc_category(c)) || leaves_no_mark(c);
}

}  // namespace

std::string displayed_json(std::string_view json) {
  constexpr utf8proc_int32_t kFirstBeyond = 0x10000;  // those take two escapes
  std::string out;
  char shown[16];
  while (!json.empty()) {
    utf8proc_int32_t c = 0;
    const std::size_t length = std::max<std::size_t>(first_code_point(json, c), 1);
    const bool between = json.front() == '\n' || json.front() == '\t' || json.front() == '\r';
    if (between || !is_obeyed_or_hidden(c)) {
      out += json.substr(0, length);
    } else if (c < kFirstBeyond) {
      std::snprintf(shown, sizeof shown, "\\u%04x", static_cast<unsigned>(c));
      out += shown;
    } else {
      const auto rest = static_cast<unsigned>(c - kFirstBeyond);
      std::snprintf(shown, sizeof shown, "\\u%04x\\u%04x", 0xd800U + (rest >> 10), 0xdc00U + (rest & 0x3ff));
      out += shown;
    }
    json.remove_prefix(length);
  }
  return out;
}

std::string displayed(std::string_view text) {
  std::string out;
  char shown[16];
  while (!text.empty()) {
    utf8proc_int32_t c = 0;
    const std::size_t length = first_code_point(text, c);
    if (length == 0) {
      std::snprintf(shown, sizeof shown, "<0x%02X>", static_cast<unsigned>(static_cast<unsigned char>(text.front())));
      out += shown;
      text.remove_prefix(1);
      continue;
    }
    if (is_obeyed_or_hidden(c)) {
      std::snprintf(shown, sizeof shown, "<U+%04X>", static_cast<unsigned>(c));
      out += shown;
    } else {
      out += text.substr(0, length);
    }
    text.remove_prefix(length);
  }
  return out;
}

bool is_utf8(std::string_view text) {
  constexpr std::uint64_t kBeyondAscii = 0x8080808080808080;
  while (!text.empty()) {
    std::uint64_t letters = 0;
    if (text.size() >= sizeof letters) {
      std::memcpy(&letters, text.data(), sizeof letters);
      if ((letters & kBeyondAscii) == 0) {
        text.remove_prefix(sizeof letters);
        continue;
      }
    }
    if (static_cast<unsigned char>(text.front()) < 0x80) {
      text.remove_prefix(1);
      continue;
    }
    utf8proc_int32_t c = 0;
    const std::size_t length = first_code_point(text, c);
    if (length == 0) return false;
    text.remove_prefix(length);
  }
  return true;
}

Result<std::string> identity_key(std::string_view identity) {
  if (!is_utf8(identity)) return Error{ErrorCode::Invalid, "an identity must be UTF-8"};
  const std::string_view name = trimmed(identity);
  if (name.empty()) return Error{ErrorCode::Invalid, "an identity must not be empty"};
  const bool has_control = std::any_of(name.begin(), name.end(), [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte < 0x20 || byte == 0x7f;
  });
  if (has_control) return Error{ErrorCode::Invalid, "an identity must not hold control characters"};
  return composed(lowered(composed(name)));
}

}  // namespace countersign
