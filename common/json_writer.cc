// Json's ways of writing: RFC 8785, compact, and gait's layouts.
#include <double-conversion/double-conversion.h>

#include <algorithm>
#include <array>
#include <span>

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

// Bytes that every writer copies as they are; the others are looked at one by one.
constexpr std::array<bool, 256> kPlain = [] {
  std::array<bool, 256> plain{};
  for (std::size_t c = 0x20; c < plain.size(); ++c) plain[c] = true;
  for (const unsigned char c : {'"', '\\', '<', '>', '&'}) plain[c] = false;
  plain[0xe2] = false;  // the first byte of U+2028 and U+2029
  return plain;
}();

void append_string(std::string& out, std::string_view text, Escapes escapes) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  out += '"';
  std::size_t clean = 0;  // start of the run that needs no escape
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto c = static_cast<unsigned char>(text[i]);
    if (kPlain[c]) continue;
    const bool html = escapes == Escapes::Go && (c == '<' || c == '>' || c == '&');
    const bool separator = escapes == Escapes::Go && c == 0xe2 && i + 2 < text.size() &&
                           static_cast<unsigned char>(text[i + 1]) == 0x80 &&
                           (static_cast<unsigned char>(text[i + 2]) & 0xfe) == 0xa8;
    if (c >= 0x20 && c != '"' && c != '\\' && !html && !separator) continue;
    out.append(text.substr(clean, i - clean));
    if (separator) {
      out += static_cast<unsigned char>(text[i + 2]) == 0xa8 ? "\\u2028" : "\\u2029";
      i += 2;
    } else {
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
    clean = i + 1;
  }
  out.append(text.substr(clean));
  out += '"';
}

// Go's encoding/json: ECMAScript's form, but the exponent has no leading zero and starts below 1e-6 or from 1e21.
void append_number(std::string& out, const Json& number) {
  if (number.is_integer()) {
    out += std::to_string(number.as_integer());
  } else {
    out += ecmascript_number(number.as_double());
  }
}

void append_canonical_number(std::string& out, const Json& number) {
  constexpr std::int64_t kExact = std::int64_t{1} << 53;
  if (number.is_integer() && number.as_integer() >= -kExact && number.as_integer() <= kExact) {
    out += std::to_string(number.as_integer());
  } else {
    out += ecmascript_number(number.as_double());
  }
}

void append_canonical(std::string& out, const Json& value) {
  if (value.is_null()) {
    out += "null";
  } else if (value.is_bool()) {
    out += value.as_bool() ? "true" : "false";
  } else if (value.is_number()) {
    append_canonical_number(out, value);
  } else if (value.is_string()) {
    append_string(out, value.as_string(), Escapes::Json);
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
      append_string(out, member->first, Escapes::Json);
      out += ':';
      append_canonical(out, member->second);
    }
    out += '}';
  }
}

void append_plain(std::string& out, const Json& value) {
  if (value.is_null()) {
    out += "null";
  } else if (value.is_bool()) {
    out += value.as_bool() ? "true" : "false";
  } else if (value.is_number()) {
    append_number(out, value);
  } else if (value.is_string()) {
    append_string(out, value.as_string(), Escapes::Json);
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
      append_string(out, member.first, Escapes::Json);
      out += ':';
      append_plain(out, member.second);
    }
    out += '}';
  }
}

constexpr int kOneLine = -1;

// Go's encoding/json. `indent` is the current depth, or kOneLine; `sorted` orders members by bytes, as a Go map does.
void append_go(std::string& out, const Json& value, int indent, bool sorted) {
  const auto line = [&out, indent](int deeper) {
    if (indent == kOneLine) return;
    out += '\n';
    out.append(static_cast<std::size_t>(indent + deeper) * 2, ' ');
  };
  const int inner = indent == kOneLine ? kOneLine : indent + 1;
  if (value.is_string()) {
    append_string(out, value.as_string(), Escapes::Go);
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
      append_string(out, members[i]->first, Escapes::Go);
      out += indent == kOneLine ? ":" : ": ";
      append_go(out, members[i]->second, inner, sorted);
    }
    if (!members.empty()) line(0);
    out += '}';
  } else {
    append_plain(out, value);
  }
}

}  // namespace

std::string Json::canonical() const {
  std::string out;
  out.reserve(kUsualDocument);
  append_canonical(out, *this);
  return out;
}

std::string Json::compact() const {
  std::string out;
  out.reserve(kUsualDocument);
  append_plain(out, *this);
  return out;
}

void Json::append_compact(std::string& out) const {
  append_plain(out, *this);
}

std::string Json::gait_file() const {
  std::string out;
  append_go(out, *this, 0, false);
  out += '\n';
  return out;
}

std::string Json::gait_line() const {
  std::string out;
  append_go(out, *this, kOneLine, true);
  return out;
}

std::string ecmascript_number(double value) {
  if (value == 0) return "0";  // also for -0
  std::array<char, 64> buffer;
  double_conversion::StringBuilder builder(buffer.data(), static_cast<int>(buffer.size()));
  double_conversion::DoubleToStringConverter::EcmaScriptConverter().ToShortest(value, &builder);
  return builder.Finalize();
}

}  // namespace countersign
