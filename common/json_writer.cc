// Ways of writing Json and JsonNode: RFC 8785, compact, and gait's layouts.
#include <double-conversion/double-conversion.h>

#include <algorithm>
#include <array>
#include <boost/container/small_vector.hpp>
#include <type_traits>
#include <utility>
#include <vector>

#include "common/json.h"
#include "common/json_text.h"
#include "common/json_tree.h"

namespace countersign {
namespace {

using namespace json_text;  // its other half

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

constexpr std::size_t kFewMembers = 64;       // objects up to this size are sorted without an allocation
constexpr std::size_t kUsualDocument = 3072;  // bytes reserved for a document: a trace fits
constexpr std::size_t kUsualPart = 256;       // the same for what is added to a text

// Json and JsonNode as one: what a value is, what it holds.
using Kind = JsonNode::Kind;
Kind kind_of(const JsonNode& value) {
  return value.kind;
}
Kind kind_of(const Json& value) {
  if (value.is_string()) return Kind::Text;
  if (value.is_object()) return Kind::Object;
  if (value.is_array()) return Kind::Array;
  if (value.is_integer()) return Kind::Integer;
  if (value.is_number()) return Kind::Double;
  return value.is_bool() ? Kind::Bool : Kind::Null;
}
std::string_view text_in(const JsonNode& value) {
  return value.text;
}
std::string_view text_in(const Json& value) {
  return value.as_string();
}
std::int64_t integer_in(const JsonNode& value) {
  return value.integer;
}
std::int64_t integer_in(const Json& value) {
  return value.as_integer();
}
bool flag_in(const JsonNode& value) {
  return value.integer != 0;
}
bool flag_in(const Json& value) {
  return value.as_bool();
}
auto elements_in(const JsonNode& array) {
  return array.children();
}
const Json::Array& elements_in(const Json& array) {
  return array.as_array();
}
auto members_in(const JsonNode& object) {
  return object.children();
}
const Json::Object& members_in(const Json& object) {
  return object.as_object();
}
std::size_t size_of(const JsonNode& object) {
  return object.count;
}
std::size_t size_of(const Json& object) {
  return object.as_object().size();
}
std::string_view name_of(const JsonNode& member) {
  return member.name;
}
std::string_view name_of(const Json::Member& member) {
  return member.first;
}
const JsonNode& value_of(const JsonNode& member) {
  return member;
}
const Json& value_of(const Json::Member& member) {
  return member.second;
}

// RFC 8785: members sorted, and integers that no double holds exactly go through one.
template <typename Value>
void append_value(Writer& out, const Value& value, bool canonical);

template <typename Member>
void append_member(Writer& out, const Member& member, bool canonical) {
  append_string<Escapes::Json>(out, name_of(member));
  out += ':';
  append_value(out, value_of(member), canonical);
}

// A member and the first letters of its name, in the order of comparison: they nearly always decide.
template <typename Member>
struct Sortable {
  explicit Sortable(const Member* of) : member(of) {
    const std::string_view name = name_of(*of);
    for (std::size_t i = 0; i < sizeof letters; ++i) {
      letters = letters << 8 | (i < name.size() ? static_cast<unsigned char>(name[i]) : 0U);
    }
  }
  bool operator<(const Sortable& other) const {
    constexpr std::uint64_t kBeyondAscii = 0x8080808080808080;
    if (letters != other.letters && ((letters | other.letters) & kBeyondAscii) == 0) return letters < other.letters;
    return utf16_less(name_of(*member), name_of(*other.member));
  }
  const Member* member;
  std::uint64_t letters = 0;
};

template <typename Value>
void append_sorted_members(Writer& out, const Value& object) {
  using Member = std::remove_cvref_t<decltype(*members_in(object).begin())>;
  boost::container::small_vector<Sortable<Member>, kFewMembers> sorted;
  sorted.reserve(size_of(object));
  for (const Member& member : members_in(object)) sorted.emplace_back(&member);
  std::sort(sorted.begin(), sorted.end());
  bool first = true;
  for (const Sortable<Member>& each : sorted) {
    if (!std::exchange(first, false)) out += ',';
    append_member(out, *each.member, true);
  }
}

template <typename Value>
void append_value(Writer& out, const Value& value, bool canonical) {
  constexpr std::int64_t kExact = std::int64_t{1} << 53;
  bool first = true;
  switch (kind_of(value)) {
    case Kind::Null:
      out += "null";
      return;
    case Kind::Bool:
      out += flag_in(value) ? "true" : "false";
      return;
    case Kind::Integer:
      if (canonical && (integer_in(value) < -kExact || integer_in(value) > kExact)) {
        out += ecmascript_number(value.as_double());
      } else {
        append_integer(out, integer_in(value));
      }
      return;
    case Kind::Double:
      // Go's encoding/json writes the same: ECMAScript's form.
      out += ecmascript_number(value.as_double());
      return;
    case Kind::Text:
      append_string<Escapes::Json>(out, text_in(value));
      return;
    case Kind::Array:
      out += '[';
      for (const Value& element : elements_in(value)) {
        if (!std::exchange(first, false)) out += ',';
        append_value(out, element, canonical);
      }
      out += ']';
      return;
    case Kind::Object:
      out += '{';
      if (canonical) {
        append_sorted_members(out, value);
      } else {
        for (const auto& member : members_in(value)) {
          if (!std::exchange(first, false)) out += ',';
          append_member(out, member, false);
        }
      }
      out += '}';
      return;
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
    append_value(out, value, false);
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
  return written([this](Writer& out) { append_value(out, *this, true); });
}

std::string JsonNode::canonical() const {
  return written([this](Writer& out) { append_value(out, *this, true); });
}

std::string Json::compact() const {
  return written([this](Writer& out) { append_value(out, *this, false); });
}

std::string JsonNode::compact() const {
  return written([this](Writer& out) { append_value(out, *this, false); });
}

void Json::append_compact(std::string& out) const {
  Writer writer(out, kUsualPart);
  append_value(writer, *this, false);
}

void JsonNode::append_compact(std::string& out) const {
  Writer writer(out, kUsualDocument);
  append_value(writer, *this, false);
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
