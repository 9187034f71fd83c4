#include "common/json_complaint.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>

#include "common/hex_digit.h"

namespace countersign {
namespace {

constexpr std::size_t kMostDepth = 10'000;  // Go's own limit
constexpr std::string_view kSpace = " \t\r\n";

// A byte as Go quotes it: the byte read as a character, not the character it is part of.
std::string quoted(char c) {
  const auto byte = static_cast<unsigned char>(c);
  constexpr std::string_view kDigits = "0123456789abcdef";
  constexpr std::string_view kNamed = "\a\b\f\n\r\t\v\\";
  constexpr std::string_view kNames = "abfnrtv\\";
  if (c == '\'') return "'\\''";
  if (const std::size_t at = kNamed.find(c); at != std::string_view::npos && c != '\0') {
    return std::string("'\\") + kNames[at] + "'";
  }
  const std::string hex = {kDigits[byte >> 4U], kDigits[byte & 15U]};
  if (byte < 0x20 || byte == 0x7f) return "'\\x" + hex + "'";
  if ((byte >= 0x80 && byte <= 0xa0) || byte == 0xad) return "'\\u00" + hex + "'";
  if (byte < 0x80) return std::string("'") + c + "'";
  return std::string("'") + static_cast<char>(0xc0U | (byte >> 6U)) + static_cast<char>(0x80U | (byte & 0x3fU)) + "'";
}

// Walks the text as Go's scanner does, without recursion: `open_` holds the objects and arrays around it.
class Scanner {
 public:
  explicit Scanner(std::string_view text) : text_(text) {}

  JsonComplaint scanned() {
    if (whole()) {
      skip_space();
      if (at_ < text_.size()) fail("after top-level value");
    }
    return std::move(found_);
  }

 private:
  struct Level {
    bool is_object;
    std::string name;  // of the member being read
  };

  bool fail(std::string_view where) {
    found_.text = at_ < text_.size() ? "invalid character " + quoted(text_[at_]) + " " + std::string(where)
                                     : "unexpected end of JSON input";
    return false;
  }
  char here() const { return at_ < text_.size() ? text_[at_] : '\0'; }
  bool at_digit() const { return here() >= '0' && here() <= '9'; }
  void skip_space() { at_ = std::min(text_.find_first_not_of(kSpace, at_), text_.size()); }

  bool whole() {
    for (;;) {
      skip_space();
      bool opened = false;
      if (!value(opened)) return false;
      if (opened) continue;
      // A value is complete: what may follow depends on what is open around it.
      for (;;) {
        if (open_.empty()) return true;
        skip_space();
        Level& level = open_.back();
        const char close = level.is_object ? '}' : ']';
        if (here() == close) {
          ++at_;
          open_.pop_back();
          continue;
        }
        if (here() != ',') return fail(level.is_object ? "after object key:value pair" : "after array element");
        ++at_;
        if (level.is_object && !key()) return false;
        break;
      }
    }
  }

  // `opened` where a value stands inside and has to be read next.
  bool value(bool& opened) {
    switch (here()) {
      case '{':
      case '[':
        return open(opened);
      case '"':
        return string(nullptr);
      case 't':
        return literal("true");
      case 'f':
        return literal("false");
      case 'n':
        return literal("null");
      default:
        return here() == '-' || at_digit() ? number() : fail("looking for beginning of value");
    }
  }

  bool open(bool& opened) {
    if (open_.size() >= kMostDepth) return fail("exceeded max depth");
    const bool is_object = here() == '{';
    ++at_;
    skip_space();
    if (here() == (is_object ? '}' : ']')) {
      ++at_;
      return true;
    }
    open_.push_back({is_object, {}});
    opened = true;
    return !is_object || key();
  }

  bool key() {
    skip_space();
    if (here() != '"') return fail("looking for beginning of object key string");
    if (!string(&open_.back().name)) return false;
    skip_space();
    if (here() != ':') return fail("after object key");
    ++at_;
    return true;
  }

  bool string(std::string* out) {
    const std::size_t first = ++at_;
    for (;; ++at_) {
      if (at_ >= text_.size() || static_cast<unsigned char>(here()) < 0x20) return fail("in string literal");
      if (here() == '"') break;
      if (here() != '\\') continue;
      ++at_;
      if (here() == 'u' && at_ < text_.size()) {
        for (int i = 0; i < 4; ++i) {
          ++at_;
          if (hex_digit(here()) < 0) return fail("in \\u hexadecimal character escape");
        }
      } else if (here() == '\0' || std::string_view("\"\\/bfnrt").find(here()) == std::string_view::npos) {
        return fail("in string escape code");
      }
    }
    if (out != nullptr) *out = text_.substr(first, at_ - first);
    ++at_;
    return true;
  }

  bool literal(std::string_view word) {
    for (const char expected : word) {
      if (here() != expected) {
        return fail("in literal " + std::string(word) + " (expecting '" + expected + "')");
      }
      ++at_;
    }
    return true;
  }

  bool digits(std::string_view where) {
    if (!at_digit()) return fail(where);
    while (at_digit()) ++at_;
    return true;
  }

  bool number() {
    const std::size_t first = at_;
    if (here() == '-') ++at_;
    if (here() == '0') {
      ++at_;
    } else if (!digits("in numeric literal")) {
      return false;
    }
    if (here() == '.') {
      ++at_;
      if (!digits("after decimal point in numeric literal")) return false;
    }
    if (here() == 'e' || here() == 'E') {
      ++at_;
      if (here() == '+' || here() == '-') ++at_;
      if (!digits("in exponent of numeric literal")) return false;
    }
    const std::string spelled(text_.substr(first, at_ - first));
    if (found_.number.empty() && std::isinf(std::strtod(spelled.c_str(), nullptr))) {
      found_.number = spelled;
      for (const Level& level : open_) {
        if (level.is_object) found_.path.push_back(level.name);
      }
    }
    return true;
  }

  std::string_view text_;
  std::size_t at_ = 0;
  std::vector<Level> open_;
  JsonComplaint found_;
};

}  // namespace

JsonComplaint json_complaint(std::string_view text) {
  return Scanner(text).scanned();
}

}  // namespace countersign
