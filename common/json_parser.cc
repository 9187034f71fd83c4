// Json::parse: Boost's lexer, our values and guards (docs/decisions/0003).
#include <double-conversion/double-conversion.h>

#include <boost/json/basic_parser_impl.hpp>
#include <boost/json/src.hpp>
#include <cmath>
#include <limits>
#include <unordered_set>

#include "common/hex_digit.h"
#include "common/json.h"
#include "common/text.h"

namespace countersign {
namespace {

constexpr std::string_view kReplacement = "\\ufffd";
constexpr std::size_t kUsualMembers = 6;  // room made for each object before it is read
constexpr std::size_t kFewMembers = 48;   // below this, comparing each pair is faster than hashing

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
    Json::Object object;
    object.reserve(kUsualMembers);
    open_.push_back(Frame{Json(std::move(object)), std::move(key_)});
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
    if (text_.empty()) {
      key_.assign(part.data(), part.size());
      return true;
    }
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
    if (text_.empty()) return add(std::string(part.data(), part.size()));
    text_.append(part.data(), part.size());
    add(std::move(text_));
    text_.clear();
    return true;
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

  // `Child` is what a Json can be made of: it is made where it stays.
  template <typename Child>
  bool add(Child&& child) {
    if (open_.empty()) {
      value = Json(std::forward<Child>(child));
    } else if (open_.back().value.is_array()) {
      open_.back().value.as_array().emplace_back(std::forward<Child>(child));
    } else {
      open_.back().value.as_object().emplace_back(std::move(key_), std::forward<Child>(child));
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

// The code unit of a `\uXXXX` escape at `at`, or -1 if none starts there.
int escaped_unit(std::string_view text, std::size_t at) {
  if (at + 6 > text.size() || text[at] != '\\' || text[at + 1] != 'u') return -1;
  int unit = 0;
  for (std::size_t i = at + 2; i < at + 6; ++i) {
    const int digit = hex_digit(text[i]);
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

Error refused(std::string detail) {
  return Error{ErrorCode::Invalid, std::move(detail)};
}

}  // namespace

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

}  // namespace countersign
