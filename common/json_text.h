// Where JSON is written into: a text that grows in large steps, and strings with their escapes. For json_writer.cc, and
// for what writes many texts of a fixed form.
#pragma once

#include <array>
#include <charconv>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <utility>

#include "common/bytes.h"

namespace countersign::json_text {

enum class Escapes { Json, Go };

inline constexpr std::array<std::array<char, 2>, 256> kHexPairs = [] {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::array<std::array<char, 2>, 256> pairs{};
  for (std::size_t byte = 0; byte < pairs.size(); ++byte) pairs[byte] = {kDigits[byte >> 4], kDigits[byte & 15]};
  return pairs;
}();

// Grows `text` in large steps and writes into it; std::string's own appending asks for room at each character.
class Writer {
 public:
  Writer(std::string& text, std::size_t room) : text_(text), room_(room) { grow(text.size(), room); }
  ~Writer() { text_.resize(used()); }
  Writer(const Writer&) = delete;
  Writer& operator=(const Writer&) = delete;

  Writer& operator+=(char c) {
    *next(1) = c;
    return *this;
  }
  Writer& operator+=(std::string_view part) {
    part.copy(next(part.size()), part.size());
    return *this;
  }
  void quoted(std::string_view text) {
    char* at = next(text.size() + 2);
    *at = '"';
    text.copy(at + 1, text.size());
    at[text.size() + 1] = '"';
  }
  void quoted_hex(ByteView bytes) {
    char* at = next(2 * bytes.size() + 2);
    *at++ = '"';
    for (const std::uint8_t byte : bytes) {
      std::memcpy(at, kHexPairs[byte].data(), 2);
      at += 2;
    }
    *at = '"';
  }

 private:
  std::size_t used() const { return static_cast<std::size_t>(at_ - text_.data()); }
  // The place of the next `count` characters.
  char* next(std::size_t count) {
    if (static_cast<std::size_t>(end_ - at_) < count) grow(used(), count);
    return std::exchange(at_, at_ + count);
  }
  void grow(std::size_t used, std::size_t least) {
    text_.resize(used + std::max(least, room_));
    room_ *= 2;
    at_ = text_.data() + used;
    end_ = text_.data() + text_.size();
  }
  std::string& text_;
  std::size_t room_;
  char* at_ = nullptr;
  char* end_ = nullptr;
};

// Besides control characters. Go's escapes need them all: 0xe2 is the first byte of U+2028 and U+2029.
inline constexpr std::string_view kSpecial = "\"\\<>&\xe2";
constexpr std::string_view special_of(Escapes escapes) {
  return kSpecial.substr(0, escapes == Escapes::Go ? kSpecial.size() : 2);
}

template <Escapes escapes>
inline constexpr std::array<bool, 256> kPlain = [] {
  std::array<bool, 256> plain{};
  for (std::size_t c = 0x20; c < plain.size(); ++c) plain[c] = true;
  for (const char c : special_of(escapes)) plain[static_cast<unsigned char>(c)] = false;
  return plain;
}();

// Whether one of the first bytes, as many as a `Bytes` has, is not copied as it is. GCC's vectors exist on every
// architecture.
template <typename Bytes, Escapes escapes>
bool has_special(const char* text) {
  Bytes bytes;
  std::memcpy(&bytes, text, sizeof bytes);
  auto special = bytes < 0x20;
  for (const char c : special_of(escapes)) special |= bytes == static_cast<unsigned char>(c);
  std::array<std::uint64_t, sizeof special / sizeof(std::uint64_t)> words;
  std::memcpy(words.data(), &special, sizeof special);
  return words.front() != 0 || words.back() != 0;
}

// The first byte from `at` on that is not copied as it is; text.size() if there is none. The last step looks at some
// bytes again instead of at each one that is left.
template <Escapes escapes>
std::size_t next_special(std::string_view text, std::size_t at) {
  using Bytes16 = unsigned char __attribute__((vector_size(16)));
  using Bytes8 = unsigned char __attribute__((vector_size(8)));
  if (at + sizeof(Bytes16) <= text.size()) {
    while (at + sizeof(Bytes16) <= text.size() && !has_special<Bytes16, escapes>(text.data() + at)) {
      at += sizeof(Bytes16);
    }
    if (at + sizeof(Bytes16) > text.size()) {
      if (!has_special<Bytes16, escapes>(text.data() + text.size() - sizeof(Bytes16))) return text.size();
    }
  } else if (at + sizeof(Bytes8) <= text.size() && !has_special<Bytes8, escapes>(text.data() + at) &&
             !has_special<Bytes8, escapes>(text.data() + text.size() - sizeof(Bytes8))) {
    return text.size();
  }
  while (at < text.size() && kPlain<escapes>[static_cast<unsigned char>(text[at])]) ++at;
  return at;
}

inline void append_escape(Writer& out, unsigned char c) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  switch (c) {
    case '"':
      out += "\\\"";
      break;
    case '\\':
      out += "\\\\";
      break;
    case '\b':
      out += "\\b";
      break;
    case '\f':
      out += "\\f";
      break;
    case '\n':
      out += "\\n";
      break;
    case '\r':
      out += "\\r";
      break;
    case '\t':
      out += "\\t";
      break;
    default:
      out += "\\u00";
      out += kDigits[c >> 4];
      out += kDigits[c & 15];
  }
}

template <Escapes escapes>
void append_string(Writer& out, std::string_view text) {
  std::size_t at = next_special<escapes>(text, 0);
  if (at == text.size()) return out.quoted(text);
  out += '"';
  std::size_t clean = 0;  // start of the run that needs no escape
  for (; at < text.size(); at = next_special<escapes>(text, at)) {
    const auto c = static_cast<unsigned char>(text[at]);
    const bool multibyte = c >= 0x80;
    const bool separator = multibyte && at + 2 < text.size() && static_cast<unsigned char>(text[at + 1]) == 0x80 &&
                           (static_cast<unsigned char>(text[at + 2]) & 0xfe) == 0xa8;
    if (multibyte && !separator) {
      ++at;
      continue;
    }
    out += text.substr(clean, at - clean);
    if (separator) {
      out += static_cast<unsigned char>(text[at + 2]) == 0xa8 ? "\\u2028" : "\\u2029";
      at += 2;
    } else {
      append_escape(out, c);
    }
    clean = ++at;
  }
  out += text.substr(clean);
  out += '"';
}

inline void append_integer(Writer& out, std::int64_t value) {
  std::array<char, 24> digits;
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), value).ptr;
  out += std::string_view(digits.data(), static_cast<std::size_t>(end - digits.data()));
}

}  // namespace countersign::json_text
