// The one lexer behind Json and JsonTree: Boost's, with our guards (docs/decisions/0003). For these two .cc files
// alone.
#pragma once

#include <double-conversion/double-conversion.h>

#include <boost/json/basic_parser_impl.hpp>
#include <cmath>
#include <limits>
#include <string>
#include <string_view>

#include "common/json.h"

namespace countersign::json_lexer {

inline constexpr std::size_t kFewMembers = 48;  // below this, comparing each pair is faster than hashing

// What boost::json::basic_parser calls while it reads; it lexes, checks UTF-8 and depth. Passes on to `Builder`:
//   void begin_object(); bool end_object(); void begin_array(); void end_array(); void key(view); void text(view);
//   void value(int64 | double | bool | nullptr)
// end_object is false where a name stands twice, which is then in `repeated`. Views are valid during the call.
template <typename Builder>
class Handler {
 public:
  static constexpr std::size_t max_object_size = std::numeric_limits<std::size_t>::max();
  static constexpr std::size_t max_array_size = std::numeric_limits<std::size_t>::max();
  static constexpr std::size_t max_key_size = std::numeric_limits<std::size_t>::max();
  static constexpr std::size_t max_string_size = std::numeric_limits<std::size_t>::max();
  using error_code = boost::system::error_code;
  using string_view = boost::json::string_view;

  explicit Handler(Builder& builder) : builder_(builder) {}

  bool on_document_begin(error_code&) { return true; }
  bool on_document_end(error_code&) { return true; }
  bool on_object_begin(error_code&) { return builder_.begin_object(), true; }
  bool on_object_end(std::size_t, error_code& error) { return builder_.end_object() || fail(error); }
  bool on_array_begin(error_code&) { return builder_.begin_array(), true; }
  bool on_array_end(std::size_t, error_code&) { return builder_.end_array(), true; }
  bool on_key_part(string_view part, std::size_t, error_code&) { return collect(part); }
  bool on_key(string_view part, std::size_t, error_code&) { return builder_.key(whole(part)), clear(); }
  bool on_string_part(string_view part, std::size_t, error_code&) { return collect(part); }
  bool on_string(string_view part, std::size_t, error_code&) { return builder_.text(whole(part)), clear(); }
  bool on_number_part(string_view part, error_code&) { return collect(part); }
  bool on_int64(std::int64_t value, string_view, error_code& error) {
    if (exact_integers && is_rounded(std::to_string(value), static_cast<double>(value))) return refuse_inexact(error);
    return builder_.value(value), clear();
  }
  bool on_uint64(std::uint64_t value, string_view, error_code& error) {
    if (exact_integers && is_rounded(std::to_string(value), static_cast<double>(value))) return refuse_inexact(error);
    if (value <= static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) {
      builder_.value(static_cast<std::int64_t>(value));
    } else {
      builder_.value(static_cast<double>(value));
    }
    return clear();
  }
  bool on_double(double, string_view part, error_code& error) {
    // Boost 1.81 rounds some literals to a neighbouring double; digests need the nearest one.
    const std::string_view literal = whole(part);
    const double value = nearest(literal);
    const bool integer = literal.find_first_of(".eE") == std::string_view::npos;
    if (exact_integers && integer && std::isfinite(value) && is_rounded(literal, value)) return refuse_inexact(error);
    clear();
    if (!std::isfinite(value)) {
      out_of_range = true;
      return fail(error);
    }
    builder_.value(value);
    return true;
  }
  bool on_bool(bool value, error_code&) { return builder_.value(value), true; }
  bool on_null(error_code&) { return builder_.value(nullptr), true; }
  bool on_comment_part(string_view, error_code&) { return true; }
  bool on_comment(string_view, error_code&) { return true; }

  bool exact_integers = false;  // Json::Limits::exact_integers
  bool out_of_range = false;
  bool inexact = false;

 private:
  // Of all integers that one double stands for, the one that is written for it is taken.
  static bool is_rounded(std::string_view literal, double value) {
    constexpr double kMostExact = 9007199254740992;  // 2^53
    return std::abs(value) >= kMostExact && ecmascript_number(value) != literal;
  }
  bool refuse_inexact(error_code& error) {
    inexact = true;
    return fail(error);
  }
  static bool fail(error_code& error) {
    error = boost::json::error::extra_data;
    return false;
  }
  static double nearest(std::string_view text) {
    static const double_conversion::StringToDoubleConverter converter(
        double_conversion::StringToDoubleConverter::NO_FLAGS, 0.0, std::nan(""), nullptr, nullptr);
    int processed = 0;
    return converter.StringToDouble(text.data(), static_cast<int>(text.size()), &processed);
  }
  bool collect(string_view part) {
    parts_.append(part.data(), part.size());
    return true;
  }
  std::string_view whole(string_view part) {
    if (parts_.empty()) return {part.data(), part.size()};
    collect(part);
    return parts_;
  }
  bool clear() {
    parts_.clear();
    return true;
  }
  Builder& builder_;
  std::string parts_;
};

// How the lexer left a text.
struct Reading {
  std::size_t used = 0;  // bytes
  bool done = false;     // the value is complete
  bool out_of_range = false;
  bool inexact = false;
  std::string_view repeated;  // the member that stood twice
  std::string path;           // of what it was at, where the builder knows: "args.a[1]"
  boost::system::error_code error;
};

Error too_large(std::size_t size, std::size_t limit);
// Nothing where `text` is one JSON value.
std::optional<Error> objection(std::string_view text, const Json::Limits& limits, const Reading& reading);

template <typename Builder>
Status read(std::string_view text, const Json::Limits& limits, Builder& builder) {
  boost::json::parse_options options;
  options.max_depth = limits.depth;
  boost::json::basic_parser<Handler<Builder>> parser(options, builder);
  parser.handler().exact_integers = limits.exact_integers;
  Reading reading;
  reading.used = parser.write_some(false, text.data(), text.size(), reading.error);
  reading.done = parser.done();
  reading.out_of_range = parser.handler().out_of_range;
  reading.inexact = parser.handler().inexact;
  reading.repeated = builder.repeated;
  if constexpr (requires { builder.path(); }) {
    if (reading.error && (limits.gait || limits.exact_integers)) reading.path = builder.path();
  }
  if (std::optional<Error> refusal = objection(text, limits, reading)) return *std::move(refusal);
  return ok();
}

}  // namespace countersign::json_lexer
