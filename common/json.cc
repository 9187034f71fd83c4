#include "common/json.h"

#include <double-conversion/double-conversion.h>

#include <algorithm>
#include <array>
#include <boost/json/basic_parser_impl.hpp>
#include <boost/json/src.hpp>
#include <cmath>
#include <limits>
#include <unordered_set>

#include "common/text.h"

namespace countersign {
namespace {

constexpr std::string_view kReplacement = "\\ufffd";
constexpr std::size_t kFewMembers = 16;  // below this, comparing each pair is faster than hashing

double exact_double(std::string_view text) {
  static const double_conversion::StringToDoubleConverter converter(
      double_conversion::StringToDoubleConverter::NO_FLAGS, 0.0, std::nan(""), nullptr, nullptr);
  int processed = 0;
  return converter.StringToDouble(text.data(), static_cast<int>(text.size()), &processed);
}

// What boost::json::basic_parser calls while it reads; it lexes, checks UTF-8 and depth, and we build and guard.
class Builder {
 public:
  static constexpr std::size_t max_object_size = std::numeric_limits<std::size_t>::max();
  static constexpr std::size_t max_array_size = std::numeric_limits<std::size_t>::max();
  static constexpr std::size_t max_key_size = std::numeric_limits<std::size_t>::max();
  static constexpr std::size_t max_string_size = std::numeric_limits<std::size_t>::max();
  using error_code = boost::system::error_code;
  using string_view = boost::json::string_view;

  explicit Builder(bool fold_case) : fold_case_(fold_case) {}

  bool on_document_begin(error_code&) { return true; }
  bool on_document_end(error_code&) { return true; }
  bool on_object_begin(error_code&) {
    open_.push_back(Frame{Json(Json::Object{}), std::move(key_)});
    return true;
  }
  bool on_object_end(std::size_t, error_code& error) {
    if (!names_are_unique(open_.back().value.as_object())) return fail(error);
    return close();
  }
  bool on_array_begin(error_code&) {
    open_.push_back(Frame{Json(Json::Array{}), std::move(key_)});
    return true;
  }
  bool on_array_end(std::size_t, error_code&) { return close(); }
  bool on_key_part(string_view part, std::size_t, error_code&) {
    text_.append(part.data(), part.size());
    return true;
  }
  bool on_key(string_view part, std::size_t, error_code&) {
    text_.append(part.data(), part.size());
    key_ = std::move(text_);
    text_.clear();
    return true;
  }
  bool on_string_part(string_view part, std::size_t, error_code&) {
    text_.append(part.data(), part.size());
    return true;
  }
  bool on_string(string_view part, std::size_t, error_code&) {
    text_.append(part.data(), part.size());
    Json value(std::move(text_));
    text_.clear();
    return add(std::move(value));
  }
  bool on_number_part(string_view part, error_code&) {
    text_.append(part.data(), part.size());
    return true;
  }
  bool on_int64(std::int64_t value, string_view, error_code&) {
    text_.clear();
    return add(Json(value));
  }
  bool on_uint64(std::uint64_t value, string_view, error_code&) {
    text_.clear();
    return add(Json(value));
  }
  bool on_double(double, string_view part, error_code& error) {
    // Boost 1.81 rounds some literals to a neighbouring double; digests need the nearest one.
    text_.append(part.data(), part.size());
    const double value = exact_double(text_);
    text_.clear();
    if (!std::isfinite(value)) {
      out_of_range = true;
      return fail(error);
    }
    return add(Json(value));
  }
  bool on_bool(bool value, error_code&) { return add(Json(value)); }
  bool on_null(error_code&) { return add(Json()); }
  bool on_comment_part(string_view, error_code&) { return true; }
  bool on_comment(string_view, error_code&) { return true; }

  Json value;
  std::string repeated;  // the member that stood twice
  bool out_of_range = false;

 private:
  struct Frame {
    Json value;
    std::string key;
  };

  static bool fail(error_code& error) {
    error = boost::json::error::extra_data;
    return false;
  }

  bool add(Json child) {
    if (open_.empty()) {
      value = std::move(child);
    } else if (open_.back().value.is_array()) {
      open_.back().value.as_array().push_back(std::move(child));
    } else {
      open_.back().value.as_object().emplace_back(std::move(key_), std::move(child));
      key_.clear();
    }
    return true;
  }

  bool close() {
    Frame frame = std::move(open_.back());
    open_.pop_back();
    key_ = std::move(frame.key);
    return add(std::move(frame.value));
  }

  bool names_are_unique(const Json::Object& object) {
    if (object.size() <= kFewMembers && !fold_case_) {
      for (std::size_t i = 1; i < object.size(); ++i) {
        for (std::size_t j = 0; j < i; ++j) {
          if (object[i].first == object[j].first) {
            repeated = object[i].first;
            return false;
          }
        }
      }
      return true;
    }
    std::unordered_set<std::string> seen;
    for (const Json::Member& member : object) {
      if (!seen.insert(fold_case_ ? lowered(member.first) : member.first).second) {
        repeated = member.first;
        return false;
      }
    }
    return true;
  }

  std::vector<Frame> open_;
  std::string key_;
  std::string text_;
  bool fold_case_;
};

int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// The code unit of a `\uXXXX` escape at `at`, or -1 if none starts there.
int escaped_unit(std::string_view text, std::size_t at) {
  if (at + 6 > text.size() || text[at] != '\\' || text[at + 1] != 'u') return -1;
  int unit = 0;
  for (std::size_t i = at + 2; i < at + 6; ++i) {
    const int digit = hex_value(text[i]);
    if (digit < 0) return -1;
    unit = unit * 16 + digit;
  }
  return unit;
}

// Go reads an unpaired surrogate escape as U+FFFD; Boost refuses it.
std::string with_replaced_surrogates(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size();) {
    if (text[i] != '\\' || i + 1 >= text.size()) {
      out += text[i++];
      continue;
    }
    const int unit = escaped_unit(text, i);
    if (unit < 0xd800 || unit > 0xdfff) {
      out.append(text.substr(i, 2));
      i += 2;
      continue;
    }
    const int next = escaped_unit(text, i + 6);
    const bool paired = unit < 0xdc00 && next >= 0xdc00 && next <= 0xdfff;
    out.append(paired ? text.substr(i, 12) : kReplacement);
    i += paired ? 12 : 6;
  }
  return out;
}

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

void append_string(std::string& out, std::string_view text, Escapes escapes) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  out += '"';
  std::size_t clean = 0;  // start of the run that needs no escape
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto c = static_cast<unsigned char>(text[i]);
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
    std::vector<const Json::Member*> members;
    members.reserve(object.size());
    for (const Json::Member& member : object) members.push_back(&member);
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

Error refused(std::string detail) {
  return Error{ErrorCode::Invalid, std::move(detail)};
}

}  // namespace

Json::Json(std::uint64_t value) {
  if (value <= static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) {
    value_ = static_cast<std::int64_t>(value);
  } else {
    value_ = static_cast<double>(value);
  }
}

Json Json::array(const std::vector<std::string>& texts) {
  Array out;
  out.reserve(texts.size());
  for (const std::string& text : texts) out.emplace_back(text);
  return Json(std::move(out));
}

const Json* Json::find(std::string_view name) const {
  const auto* object = std::get_if<Object>(&value_);
  if (object == nullptr) return nullptr;
  for (const Member& member : *object) {
    if (member.first == name) return &member.second;
  }
  return nullptr;
}

Json* Json::find(std::string_view name) {
  return const_cast<Json*>(std::as_const(*this).find(name));
}

std::string_view Json::text(std::string_view name) const {
  const Json* member = find(name);
  return member != nullptr && member->is_string() ? std::string_view(member->as_string()) : std::string_view();
}

void Json::set(std::string_view name, Json value) {
  if (is_null()) value_ = Object{};
  if (Json* member = find(name)) {
    *member = std::move(value);
  } else {
    as_object().emplace_back(std::string(name), std::move(value));
  }
}

bool Json::erase(std::string_view name) {
  auto* object = std::get_if<Object>(&value_);
  if (object == nullptr) return false;
  const auto at = std::find_if(object->begin(), object->end(), [&](const Member& m) { return m.first == name; });
  if (at == object->end()) return false;
  object->erase(at);
  return true;
}

Result<Json> Json::parse(std::string_view text, const Limits& limits) {
  if (text.size() > limits.bytes) {
    return Error{ErrorCode::TooLarge, "a JSON document of " + std::to_string(text.size()) + " bytes; the limit is " +
                                          std::to_string(limits.bytes)};
  }
  std::string replaced;
  if (limits.gait && text.find("\\u") != std::string_view::npos) {
    replaced = with_replaced_surrogates(text);
    text = replaced;
  }
  boost::json::parse_options options;
  options.max_depth = limits.depth;
  boost::json::basic_parser<Builder> parser(options, limits.gait);
  boost::system::error_code error;
  const std::size_t used = parser.write_some(false, text.data(), text.size(), error);
  Builder& builder = parser.handler();
  if (!builder.repeated.empty()) {
    return Error{ErrorCode::Invalid,
                 "the member \"" + builder.repeated.substr(0, 64) + "\" stands twice in one JSON object",
                 "repeated_member"};
  }
  if (builder.out_of_range) return refused("a JSON number that no double can hold");
  if (error == boost::json::error::too_deep) {
    return refused("JSON nested deeper than " + std::to_string(limits.depth) + " levels");
  }
  if (error) return refused("not JSON: " + error.message() + " at byte " + std::to_string(used));
  if (!parser.done()) return refused("not JSON: the text ends too early");
  for (const char c : text.substr(used)) {
    if (c != ' ' && c != '\t' && c != '\r' && c != '\n') return refused("bytes after the end of the JSON value");
  }
  return std::move(builder.value);
}

std::string Json::canonical() const {
  std::string out;
  append_canonical(out, *this);
  return out;
}

std::string Json::compact() const {
  std::string out;
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
