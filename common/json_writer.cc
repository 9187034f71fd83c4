// Json's ways of writing: RFC 8785, compact, and gait's layouts.
#include <double-conversion/double-conversion.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>
#include <span>
#include <utility>

#include "common/json.h"

namespace countersign {
namespace {

// The order of UTF-16 code units differs from that of UTF-8 bytes only between U+E000…U+FFFF and the surrogates that
// encode U+10000 and above.
bool utf16_less(std::string_view a, std::string_view b) {
  const std::size_t common = std::min(a.size(), b.size());
  for (std::size_t i = 0; i < common; ++i) {
    const auto x = static_cast<unsigned char>(a[i]);
    const auto y = static_cast<unsigned char>(b[i]);
    if (x == y) continue;
    const bool x_is_astral = x >= 0xf0;
    const bool y_is_astral = y >= 0xf0;
    if (x_is_astral != y_is_astral && x >= 0xee && y >= 0xee) return x_is_astral;
    return x < y;
  }
  return a.size() < b.size();
}

enum class Escapes { Json, Go };

constexpr std::size_t kFewMembers = 64;       // objects up to this size are sorted without an allocation
constexpr std::size_t kUsualDocument = 3072;  // bytes reserved for a document: a trace fits
constexpr std::size_t kUsualPart = 256;       // the same for what is added to a text

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
    std::memcpy(next(part.size()), part.data(), part.size());
    return *this;
  }
  void quoted(std::string_view text) {
    char* at = next(text.size() + 2);
    *at = '"';
    std::memcpy(at + 1, text.data(), text.size());
    at[text.size() + 1] = '"';
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
constexpr std::string_view kSpecial = "\"\\<>&\xe2";
constexpr std::string_view special_of(Escapes escapes) {
  return kSpecial.substr(0, escapes == Escapes::Go ? kSpecial.size() : 2);
}

template <Escapes escapes>
constexpr std::array<bool, 256> kPlain = [] {
  std::array<bool, 256> plain{};
  for (std::size_t c = 0x20; c < plain.size(); ++c) plain[c] = true;
  for (const char c : special_of(escapes)) plain[static_cast<unsigned char>(c)] = false;
  return plain;
}();

// The first byte from `at` on that is not copied as it is; text.size() if there is none. Sixteen bytes at a time where
// there are as many: GCC's vectors exist on every architecture.
template <Escapes escapes>
std::size_t next_special(std::string_view text, std::size_t at) {
  using Bytes16 = unsigned char __attribute__((vector_size(16)));
  using Halves = std::uint64_t __attribute__((vector_size(16)));
  for (Bytes16 bytes; at + sizeof bytes <= text.size(); at += sizeof bytes) {
    std::memcpy(&bytes, text.data() + at, sizeof bytes);
    auto special = bytes < 0x20;
    for (const char c : special_of(escapes)) special |= bytes == static_cast<unsigned char>(c);
    const auto halves = reinterpret_cast<Halves>(special);
    if ((halves[0] | halves[1]) != 0) break;
  }
  while (at < text.size() && kPlain<escapes>[static_cast<unsigned char>(text[at])]) ++at;
  return at;
}

void append_escape(Writer& out, unsigned char c) {
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

void append_integer(Writer& out, std::int64_t value) {
  std::array<char, 24> digits;
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), value).ptr;
  out += std::string_view(digits.data(), static_cast<std::size_t>(end - digits.data()));
}

// Go's encoding/json: ECMAScript's form, but the exponent has no leading zero and starts below 1e-6 or from 1e21.
void append_number(Writer& out, const Json& number) {
  if (number.is_integer()) {
    append_integer(out, number.as_integer());
  } else {
    out += ecmascript_number(number.as_double());
  }
}

void append_canonical_number(Writer& out, const Json& number) {
  constexpr std::int64_t kExact = std::int64_t{1} << 53;
  if (number.is_integer() && number.as_integer() >= -kExact && number.as_integer() <= kExact) {
    append_integer(out, number.as_integer());
  } else {
    out += ecmascript_number(number.as_double());
  }
}

void append_canonical(Writer& out, const Json& value) {
  if (value.is_null()) {
    out += "null";
  } else if (value.is_bool()) {
    out += value.as_bool() ? "true" : "false";
  } else if (value.is_number()) {
    append_canonical_number(out, value);
  } else if (value.is_string()) {
    append_string<Escapes::Json>(out, value.as_string());
  } else if (value.is_array()) {
    out += '[';
    bool first = true;
    for (const Json& element : value.as_array()) {
      if (!first) out += ',';
      first = false;
      append_canonical(out, element);
    }
    out += ']';
  } else {
    const Json::Object& object = value.as_object();
    std::array<const Json::Member*, kFewMembers> few;
    std::vector<const Json::Member*> many(object.size() > few.size() ? object.size() : 0);
    const std::span members(many.empty() ? few.data() : many.data(), object.size());
    std::transform(object.begin(), object.end(), members.begin(), [](const Json::Member& member) { return &member; });
    std::sort(members.begin(), members.end(),
              [](const Json::Member* a, const Json::Member* b) { return utf16_less(a->first, b->first); });
    out += '{';
    bool first = true;
    for (const Json::Member* member : members) {
      if (!first) out += ',';
      first = false;
      append_string<Escapes::Json>(out, member->first);
      out += ':';
      append_canonical(out, member->second);
    }
    out += '}';
  }
}

void append_plain(Writer& out, const Json& value) {
  if (value.is_null()) {
    out += "null";
  } else if (value.is_bool()) {
    out += value.as_bool() ? "true" : "false";
  } else if (value.is_number()) {
    append_number(out, value);
  } else if (value.is_string()) {
    append_string<Escapes::Json>(out, value.as_string());
  } else if (value.is_array()) {
    out += '[';
    bool first = true;
    for (const Json& element : value.as_array()) {
      if (!first) out += ',';
      first = false;
      append_plain(out, element);
    }
    out += ']';
  } else {
    out += '{';
    bool first = true;
    for (const Json::Member& member : value.as_object()) {
      if (!first) out += ',';
      first = false;
      append_string<Escapes::Json>(out, member.first);
      out += ':';
      append_plain(out, member.second);
    }
    out += '}';
  }
}

constexpr int kOneLine = -1;

// Go's encoding/json. `indent` is the current depth, or kOneLine; `sorted` orders members by bytes, as a Go map does.
void append_go(Writer& out, const Json& value, int indent, bool sorted) {
  const auto line = [&out, indent](int deeper) {
    if (indent == kOneLine) return;
    out += '\n';
    for (int i = 0; i < indent + deeper; ++i) out += "  ";
  };
  const int inner = indent == kOneLine ? kOneLine : indent + 1;
  if (value.is_string()) {
    append_string<Escapes::Go>(out, value.as_string());
  } else if (value.is_array()) {
    const Json::Array& array = value.as_array();
    out += '[';
    for (std::size_t i = 0; i < array.size(); ++i) {
      if (i > 0) out += ',';
      line(1);
      append_go(out, array[i], inner, sorted);
    }
    if (!array.empty()) line(0);
    out += ']';
  } else if (value.is_object()) {
    std::vector<const Json::Member*> members;
    for (const Json::Member& member : value.as_object()) members.push_back(&member);
    if (sorted) {
      std::sort(members.begin(), members.end(),
                [](const Json::Member* a, const Json::Member* b) { return a->first < b->first; });
    }
    out += '{';
    for (std::size_t i = 0; i < members.size(); ++i) {
      if (i > 0) out += ',';
      line(1);
      append_string<Escapes::Go>(out, members[i]->first);
      out += indent == kOneLine ? ":" : ": ";
      append_go(out, members[i]->second, inner, sorted);
    }
    if (!members.empty()) line(0);
    out += '}';
  } else {
    append_plain(out, value);
  }
}

template <typename Write>
std::string written(const Write& write) {
  std::string text;
  {
    Writer out(text, kUsualDocument);
    write(out);
  }
  return text;
}

}  // namespace

std::string Json::canonical() const {
  return written([this](Writer& out) { append_canonical(out, *this); });
}

std::string Json::compact() const {
  return written([this](Writer& out) { append_plain(out, *this); });
}

void Json::append_compact(std::string& out) const {
  Writer writer(out, kUsualPart);
  append_plain(writer, *this);
}

std::string Json::gait_file() const {
  return written([this](Writer& out) {
    append_go(out, *this, 0, false);
    out += '\n';
  });
}

std::string Json::gait_line() const {
  return written([this](Writer& out) { append_go(out, *this, kOneLine, true); });
}

std::string ecmascript_number(double value) {
  if (value == 0) return "0";  // also for -0
  std::array<char, 64> buffer;
  double_conversion::StringBuilder builder(buffer.data(), static_cast<int>(buffer.size()));
  double_conversion::DoubleToStringConverter::EcmaScriptConverter().ToShortest(value, &builder);
  return builder.Finalize();
}

}  // namespace countersign
