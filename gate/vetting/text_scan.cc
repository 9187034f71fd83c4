#include "gate/vetting/text_scan.h"

#include <utf8proc.h>

#include <algorithm>
#include <cstdlib>

#include "common/hex_digit.h"
#include "common/text.h"

namespace countersign::vetting {
namespace {

void append_utf8(std::string& out, std::uint32_t c) {
  utf8proc_uint8_t buffer[4];
  if (c > 0x10ffff || (c >= 0xd800 && c < 0xe000)) c = 0xfffd;
  const utf8proc_ssize_t length = utf8proc_encode_char(static_cast<utf8proc_int32_t>(c), buffer);
  out.append(reinterpret_cast<const char*>(buffer), static_cast<std::size_t>(length));
}

std::string from_utf16(std::string_view bytes, bool big_endian) {
  std::string out;
  const auto unit = [&](std::size_t i) {
    const auto a = static_cast<unsigned char>(bytes[i]);
    const auto b = static_cast<unsigned char>(bytes[i + 1]);
    return static_cast<std::uint32_t>(big_endian ? a << 8 | b : b << 8 | a);
  };
  for (std::size_t i = 0; i + 1 < bytes.size(); i += 2) {
    std::uint32_t c = unit(i);
    if (c >= 0xd800 && c < 0xdc00 && i + 3 < bytes.size()) {
      const std::uint32_t low = unit(i + 2);
      if (low >= 0xdc00 && low < 0xe000) {
        c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
        i += 2;
      }
    }
    append_utf8(out, c);
  }
  return out;
}

// Letters that look like Latin ones (a part of Unicode UTS #39, confusables), after case folding.
struct LookAlike {
  std::uint32_t letter;
  char latin;
};
constexpr LookAlike kLookAlikes[] = {
    {0x0430, 'a'}, {0x0432, 'b'}, {0x0435, 'e'}, {0x0438, 'u'}, {0x043a, 'k'}, {0x043c, 'm'}, {0x043d, 'h'},
    {0x043e, 'o'}, {0x0440, 'p'}, {0x0441, 'c'}, {0x0442, 't'}, {0x0443, 'y'}, {0x0445, 'x'}, {0x0455, 's'},
    {0x0456, 'i'}, {0x0458, 'j'}, {0x0461, 'w'}, {0x0475, 'v'}, {0x04bb, 'h'}, {0x0501, 'd'}, {0x051b, 'q'},
    {0x051d, 'w'}, {0x03b1, 'a'}, {0x03b5, 'e'}, {0x03b9, 'i'}, {0x03ba, 'k'}, {0x03bd, 'v'}, {0x03bf, 'o'},
    {0x03c1, 'p'}, {0x03c4, 't'}, {0x03c5, 'u'}, {0x03c7, 'x'}, {0x0131, 'i'}, {0x0261, 'g'}, {0x0251, 'a'},
    {0x0578, 'n'}, {0x057d, 'u'}, {0x0585, 'o'}, {0x0570, 'h'}, {0x0581, 'g'}, {0x1d04, 'c'}, {0x1d0f, 'o'},
    {0x1d1c, 'u'}, {0x1d20, 'v'}, {0x1d21, 'w'}, {0x1d22, 'z'},
};

std::uint32_t without_disguise(std::uint32_t c) {
  for (const LookAlike& row : kLookAlikes) {
    if (row.letter == c) return static_cast<std::uint32_t>(row.latin);
  }
  return c;
}

bool is_letter_or_digit(std::uint32_t c) {
  const utf8proc_category_t category = utf8proc_category(static_cast<utf8proc_int32_t>(c));
  return (category >= UTF8PROC_CATEGORY_LU && category <= UTF8PROC_CATEGORY_LO) || category == UTF8PROC_CATEGORY_ND;
}

// Punctuation that tells one phrase from another and therefore stays.
bool stays(std::uint32_t c) {
  constexpr std::string_view kMarks = "<>/:[]|~.@'";
  return c < 0x80 && kMarks.find(static_cast<char>(c)) != std::string_view::npos;
}

// `digits` hex digits at the start of `text`.
std::optional<std::uint32_t> hex(std::string_view text, std::size_t digits) {
  if (text.size() < digits) return std::nullopt;
  std::uint32_t value = 0;
  for (const char c : text.substr(0, digits)) {
    if (hex_digit(c) < 0) return std::nullopt;
    value = value << 4 | static_cast<std::uint32_t>(hex_digit(c));
  }
  return value;
}

struct Escape {
  std::uint32_t value;
  std::size_t length;
};

std::optional<Escape> backslash_escape(std::string_view text) {
  if (text.size() < 2) return std::nullopt;
  const std::size_t digits = text[1] == 'x' ? 2 : text[1] == 'u' ? 4 : text[1] == 'U' ? 8 : 0;
  if (digits != 0) {
    const auto value = hex(text.substr(2), digits);
    if (value && *value >= 0xd800 && *value < 0xdc00 && digits == 4 && text.substr(6, 2) == "\\u") {
      const auto low = hex(text.substr(std::min<std::size_t>(8, text.size())), 4);
      if (low && *low >= 0xdc00 && *low < 0xe000) {
        return Escape{0x10000 + ((*value - 0xd800) << 10) + (*low - 0xdc00), 12};
      }
    }
    if (value) return Escape{*value, digits + 2};
  }
  const std::size_t end = text.substr(0, 11).find('}');  // "\u{200b}"
  if (text.substr(0, 3) == "\\u{" && end != std::string_view::npos && end > 3) {
    const auto value = hex(text.substr(3), end - 3);
    if (value) return Escape{*value, end + 1};
  }
  return std::nullopt;
}

std::optional<Escape> entity(std::string_view text) {
  const std::size_t end = text.substr(0, 12).find(';');
  if (text.substr(0, 2) != "&#" || end == std::string_view::npos || end < 3) return std::nullopt;
  std::string_view digits = text.substr(2, end - 2);
  const bool is_hex = digits[0] == 'x' || digits[0] == 'X';
  if (is_hex) {
    const auto value = hex(digits.substr(1), digits.size() - 1);
    return value && digits.size() > 1 ? std::optional(Escape{*value, end + 1}) : std::nullopt;
  }
  std::uint32_t value = 0;
  for (const char c : digits) {
    if (c < '0' || c > '9') return std::nullopt;
    value = std::min<std::uint32_t>(value * 10 + static_cast<std::uint32_t>(c - '0'), 0x110000);
  }
  return Escape{value, end + 1};
}

}  // namespace

std::optional<std::string> text_of_file(std::string_view bytes) {
  if (bytes.starts_with("\xff\xfe")) return from_utf16(bytes.substr(2), false);
  if (bytes.starts_with("\xfe\xff")) return from_utf16(bytes.substr(2), true);
  if (bytes.find('\0') != std::string_view::npos) return std::nullopt;
  if (is_utf8(bytes)) return std::string(bytes);
  std::string out;
  for (const char c : bytes) append_utf8(out, static_cast<unsigned char>(c));
  return out;
}

int line_at(std::string_view text, std::size_t offset) {
  return 1 + static_cast<int>(std::count(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(offset), '\n'));
}

std::vector<CodePoint> code_points(std::string_view text) {
  std::vector<CodePoint> out;
  for (std::size_t i = 0; i < text.size();) {
    utf8proc_int32_t c = 0;
    const utf8proc_ssize_t length = utf8proc_iterate(reinterpret_cast<const utf8proc_uint8_t*>(text.data() + i),
                                                     static_cast<utf8proc_ssize_t>(text.size() - i), &c);
    if (length <= 0) break;
    out.push_back({static_cast<std::uint32_t>(c), i});
    i += static_cast<std::size_t>(length);
  }
  return out;
}

bool is_invisible(std::uint32_t c) {
  return c == 0x00ad || c == 0x034f || c == 0x061c || c == 0x115f || c == 0x1160 || c == 0x17b4 || c == 0x17b5 ||
         (c >= 0x180b && c <= 0x180e) || (c >= 0x200b && c <= 0x200f) || (c >= 0x202a && c <= 0x202e) ||
         (c >= 0x2060 && c <= 0x206f) || c == 0x3164 || c == 0xfeff || c == 0xffa0 || (c >= 0xe0000 && c <= 0xe0fff);
}

Plain plain(std::string_view text) {
  Plain out;
  bool gap = false;
  for (const CodePoint& each : code_points(text)) {
    if (is_invisible(each.value)) continue;
    utf8proc_int32_t folded[32];
    int boundary = 0;
    const utf8proc_ssize_t count = utf8proc_decompose_char(
        static_cast<utf8proc_int32_t>(each.value), folded, 32,
        static_cast<utf8proc_option_t>(UTF8PROC_COMPAT | UTF8PROC_CASEFOLD | UTF8PROC_STRIPMARK | UTF8PROC_DECOMPOSE),
        &boundary);
    for (utf8proc_ssize_t i = 0; i < std::min<utf8proc_ssize_t>(count, 32); ++i) {
      const std::uint32_t c = without_disguise(static_cast<std::uint32_t>(folded[i]));
      if (!is_letter_or_digit(c) && !stays(c)) {
        gap = true;
        continue;
      }
      if (gap && !out.text.empty()) {
        out.text += ' ';
        out.offsets.push_back(each.offset);
      }
      gap = false;
      append_utf8(out.text, c);
      out.offsets.resize(out.text.size(), each.offset);
    }
  }
  return out;
}

std::string unescaped(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size();) {
    std::optional<Escape> escape;
    if (text[i] == '\\') escape = backslash_escape(text.substr(i));
    if (text[i] == '&') escape = entity(text.substr(i));
    if (escape) {
      append_utf8(out, escape->value);
      i += escape->length;
    } else {
      out += text[i++];
    }
  }
  return out;
}

}  // namespace countersign::vetting
