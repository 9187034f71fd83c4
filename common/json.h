// JSON values, strict reading (RFC 8259 without its liberties), and three ways of writing: RFC 8785 (for digests),
// compact (for sockets) and gait's file layout.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "common/bytes.h"
#include "common/digest.h"
#include "common/result.h"

namespace countersign {

class Json {
 public:
  using Member = std::pair<std::string, Json>;
  using Array = std::vector<Json>;
  // Members in the order they were written; names are unique.
  using Object = std::vector<Member>;

  // Defined in json.cc, as nearly every file makes, moves and ends some: inline they were most of what the compiler
  // wrote.
  Json() noexcept;                // null
  Json(std::nullptr_t) noexcept;  // NOLINT: literals read as JSON
  Json(bool value);               // NOLINT
  Json(std::int64_t value);       // NOLINT
  Json(int value);                // NOLINT
  Json(std::uint64_t value);      // NOLINT: a double where it exceeds int64
  Json(double value);             // NOLINT
  Json(std::string value);        // NOLINT
  Json(std::string_view value);   // NOLINT
  Json(const char* value);        // NOLINT
  Json(Array value);              // NOLINT
  Json(Object value);             // NOLINT
  Json(const Json&);
  Json(Json&&) noexcept;
  Json& operator=(const Json&);
  Json& operator=(Json&&) noexcept;
  ~Json();
  static Json object(std::initializer_list<Member> members);
  static Json array(const std::vector<std::string>& texts);

  bool is_null() const { return std::holds_alternative<std::monostate>(value_); }
  bool is_bool() const { return std::holds_alternative<bool>(value_); }
  bool is_integer() const { return std::holds_alternative<std::int64_t>(value_); }
  bool is_number() const { return is_integer() || std::holds_alternative<double>(value_); }
  bool is_string() const { return std::holds_alternative<std::string>(value_); }
  bool is_array() const { return std::holds_alternative<Array>(value_); }
  bool is_object() const { return std::holds_alternative<Object>(value_); }

  // Preconditions: the matching is_…(). Breaking one throws, which ends the process.
  bool as_bool() const { return std::get<bool>(value_); }
  std::int64_t as_integer() const { return std::get<std::int64_t>(value_); }
  double as_double() const { return is_integer() ? static_cast<double>(as_integer()) : std::get<double>(value_); }
  const std::string& as_string() const { return std::get<std::string>(value_); }
  std::string& as_string() { return std::get<std::string>(value_); }
  const Array& as_array() const { return std::get<Array>(value_); }
  Array& as_array() { return std::get<Array>(value_); }
  const Object& as_object() const { return std::get<Object>(value_); }
  Object& as_object() { return std::get<Object>(value_); }

  // The member of that name, or null where this is no object or has none.
  const Json* find(std::string_view name) const;
  Json* find(std::string_view name);
  // The text of a string member; empty where there is none or it is no string.
  std::string_view text(std::string_view name) const;
  // Adds or replaces a member. Precondition: an object or null (which becomes an object).
  void set(std::string_view name, Json value);
  // Removes a member; true if it was there.
  bool erase(std::string_view name);

  bool operator==(const Json&) const;

  struct Limits {
    std::size_t bytes = std::size_t{1} << 20;
    std::size_t depth = 64;
    // gait's documents: an unpaired surrogate escape reads as U+FFFD (gait-formats §3.1) instead of being refused, and
    // members whose names differ only by case count as repeated.
    bool gait = false;
    // Integers beyond 2^53, which many readers round to another number, are refused (reason "inexact_integer").
    bool exact_integers = false;
  };
  // One JSON value and white space, nothing else. Fails with Invalid on bad UTF-8 (reason "invalid_utf8"), a byte order
  // mark, repeated members ("repeated_member"), depth, numbers beyond a double, trailing bytes; with TooLarge beyond
  // `bytes`. The detail names the member where there is one; of gait's documents it is Go's where Go refuses too.
  static Result<Json> parse(std::string_view text, const Limits& limits);
  static Result<Json> parse(std::string_view text) { return parse(text, Limits{}); }

  // RFC 8785 canonical form. Members of an object are sorted by UTF-16 code units; integers beyond 2^53 go through
  // double.
  std::string canonical() const;
  // SHA-256 of canonical().
  Digest digest() const { return sha256(canonical()); }
  // No white space, members in their order.
  std::string compact() const;
  void append_compact(std::string& out) const;
  // Two-space indentation, Go's HTML-safe escapes, one trailing newline: the layout of gait's files (gait-formats
  // §3.5).
  std::string gait_file() const;
  // One line with Go's HTML-safe escapes, members sorted by bytes: gait's answers on stdout (gait-formats §2.2).
  std::string gait_line() const;

 private:
  std::variant<std::monostate, bool, std::int64_t, double, std::string, Array, Object> value_;
};

// ECMAScript's shortest form (RFC 8785 §3.2.2.3). Precondition: finite.
std::string ecmascript_number(double value);

}  // namespace countersign

extern template class std::vector<countersign::Json>;
extern template class std::vector<countersign::Json::Member>;
