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

std::string from_utf32(std::string_view bytes, bool big_endian) {
  std::string out;
  for (std::size_t i = 0; i + 3 < bytes.size(); i += 4) {
    std::uint32_t c = 0;
    for (std::size_t k = 0; k < 4; ++k) c = c << 8 | static_cast<unsigned char>(bytes[i + (big_endian ? k : 3 - k)]);
    append_utf8(out, c);
  }
  return out;
}

bool is_odd_in_text(unsigned char c) {
  return (c < 0x20 && c != '\t' && c != '\n' && c != '\r' && c != '\f' && c != 0x1b) || c == 0x7f;
}

bool is_mostly_ascii(std::string_view bytes) {
  const auto plain = std::count_if(bytes.begin(), bytes.end(), [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte < 0x80 && !is_odd_in_text(byte);
  });
  return !bytes.empty() && static_cast<std::size_t>(plain) * 100 > bytes.size() * 85;
}

struct WideForm {
  std::size_t unit;
  bool big_endian;
};

// UTF-16 and UTF-32 without a mark, told by where the NUL bytes of Latin text lie.
std::optional<WideForm> wide_form(std::string_view bytes) {
  constexpr std::size_t kSample = 4096;
  const std::string_view sample = bytes.substr(0, kSample & ~std::size_t{3});
  const std::size_t units = sample.size() / 4;
  if (units == 0) return std::nullopt;
  std::size_t nul[4] = {};
  for (std::size_t i = 0; i < units * 4; ++i) nul[i % 4] += sample[i] == '\0' ? 1 : 0;
  const auto most = [&](std::size_t at) { return nul[at] * 100 >= units * 70; };
  const auto few = [&](std::size_t at) { return nul[at] * 100 <= units * 5; };
  if (few(0) && most(1) && most(2) && most(3)) return WideForm{4, false};
  if (most(0) && most(1) && most(2) && few(3)) return WideForm{4, true};
  if (few(0) && most(1) && few(2) && most(3)) return WideForm{2, false};
  if (most(0) && few(1) && most(2) && few(3)) return WideForm{2, true};
  return std::nullopt;
}

// What a lenient reader makes of bytes: UTF-8 where it is UTF-8, Latin-1 for other bytes, NUL bytes left out.
struct Lenient {
  std::string text;
  std::size_t odd = 0;  // NUL, control and other bytes that text has few of
};
constexpr std::size_t kOddInText = 30;  // per cent

Lenient lenient(std::string_view bytes) {
  Lenient out;
  for (std::size_t i = 0; i < bytes.size();) {
    utf8proc_int32_t c = 0;
    const utf8proc_ssize_t length = utf8proc_iterate(reinterpret_cast<const utf8proc_uint8_t*>(bytes.data() + i),
                                                     static_cast<utf8proc_ssize_t>(bytes.size() - i), &c);
    if (length > 1) {
      out.text.append(bytes.substr(i, static_cast<std::size_t>(length)));
      i += static_cast<std::size_t>(length);
      continue;
    }
    const auto byte = static_cast<unsigned char>(bytes[i++]);
    if (byte >= 0x80 || is_odd_in_text(byte)) ++out.odd;
    if (byte != 0) append_utf8(out.text, byte);
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
  // White space, as one space: lines stay where they are.
  if (text[1] == 'n' || text[1] == 'r' || text[1] == 't') return Escape{' ', 2};
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
  if (bytes.starts_with(std::string_view("\xff\xfe\0\0", 4))) return from_utf32(bytes.substr(4), false);
  if (bytes.starts_with(std::string_view("\0\0\xfe\xff", 4))) return from_utf32(bytes.substr(4), true);
  const bool little = bytes.starts_with("\xff\xfe");
  const bool big = bytes.starts_with("\xfe\xff");
  // A mark before text that is none of UTF-16 would hide it from whoever believes the mark.
  if ((little || big) && !is_mostly_ascii(bytes.substr(2))) return from_utf16(bytes.substr(2), big);
  if (const auto form = wide_form(bytes)) {
    return form->unit == 4 ? from_utf32(bytes, form->big_endian) : from_utf16(bytes, form->big_endian);
  }
  if (bytes.find('\0') == std::string_view::npos && is_utf8(bytes)) return std::string(bytes);
  const Lenient read = lenient(bytes);
  // One NUL byte does not make a program of a text.
  if (bytes.find('\0') != std::string_view::npos && read.odd * 100 > bytes.size() * kOddInText) return std::nullopt;
  return read.text;
}

std::string printable_runs(std::string_view bytes) {
  constexpr std::size_t kShortest = 12;  // below that it is chance
  std::string out;
  std::string run;
  const auto end_run = [&] {
    if (run.size() >= kShortest) out += run + '\n';
    run.clear();
  };
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    const char c = bytes[i];
    if ((c >= ' ' && c <= '~') || c == '\t') {
      run += c;
    } else if (c == '\0' && i > 0 && bytes[i - 1] != '\0') {
      continue;  // the other half of a character of UTF-16
    } else {
      end_run();
    }
  }
  end_run();
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

Plain joined_letters(const Plain& text) {
  constexpr std::size_t kShortest = 8;  // letters that stand apart; fewer is a list or a formula
  const auto is_word = [&](std::size_t i) {
    const char c = text.text[i];
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
  };
  const auto stands_apart = [&](std::size_t i) {
    return is_word(i) && (i == 0 || !is_word(i - 1)) && (i + 1 == text.text.size() || !is_word(i + 1));
  };
  Plain out;
  for (std::size_t i = 0; i < text.text.size();) {
    std::size_t letters = 0;
    std::size_t end = i;
    while (end < text.text.size() && stands_apart(end)) {
      ++letters;
      end += 2;
    }
    if (letters >= kShortest) {
      for (std::size_t k = i; k < std::min(end, text.text.size()); k += 2) {
        out.text += text.text[k];
        out.offsets.push_back(text.offsets[k]);
      }
      out.text += '\n';
      out.offsets.push_back(text.offsets[i]);
    }
    i = letters == 0 ? i + 1 : end;
  }
  return out;
}

Plain without_digits_for_letters(const Plain& text) {
  constexpr std::string_view kDigits = "034579";
  constexpr std::string_view kLetters = "oeastg";
  Plain out = text;
  bool changed = false;
  for (std::size_t begin = 0; begin < out.text.size();) {
    const std::size_t end = std::min(out.text.find(' ', begin), out.text.size());
    const auto letters =
        std::count_if(out.text.begin() + static_cast<std::ptrdiff_t>(begin),
                      out.text.begin() + static_cast<std::ptrdiff_t>(end), [](char c) { return c >= 'a' && c <= 'z'; });
    for (std::size_t i = begin; letters > 0 && i < end; ++i) {
      char& c = out.text[i];
      const std::size_t digit = kDigits.find(c);
      const bool doubled = (i + 1 < end && out.text[i + 1] == '1') || (i > begin && text.text[i - 1] == '1');
      const char before = c;
      if (digit != std::string_view::npos) c = kLetters[digit];
      if (c == '1') c = doubled ? 'l' : 'i';
      changed = changed || c != before;
    }
    begin = end + 1;
  }
  return changed ? out : Plain{};
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
