// The shape of a signed document as a table: one row a member, in file order. The same table reads what a caller asks
// to have signed (strictly) and what gait or we signed before (as gait's decoder reads it).
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "common/json_tree.h"
#include "common/result.h"

namespace countersign::statement {

struct Structure;

struct Field {
  enum class Kind {
    Text,
    HexDigest,
    Time,
    Integer,
    Number,   // rounded(), where a caller gives it
    Decimal,  // as it is given: a score that others wrote down
    Flag,
    Texts,
    Object,
    Objects
  };
  enum class Presence {
    Required,  // a caller must give it; written always
    Written,   // filled with its zero value where absent
    Optional,  // left out where absent, empty, false or 0 (Go's omitempty; an Object only where absent)
    Stamped,   // as Written, but the holder sets it: a caller must not give it
    Sealed,    // as Optional, but the holder sets it
  };
  std::string_view name;
  Kind kind = Kind::Text;
  Presence presence = Presence::Optional;
  const Structure* shape = nullptr;  // of Object and Objects
  bool nullable = false;             // Objects: null stays null
};

struct Structure {
  std::span<const Field> fields;
};

// Bounds of what a caller may have signed.
inline constexpr std::size_t kLongestText = 4096;
inline constexpr std::size_t kLongestArray = 1024;
inline constexpr std::int64_t kLargestInteger = (std::int64_t{1} << 53) - 1;

enum class Reading {
  // Unknown, missing, null, mistyped, oversized or stamped members are refused; digests are lower case; times come out
  // in UTC, numbers rounded (see rounded()). No text holds U+007F, which jq writes otherwise than RFC 8785.
  Strict,
  // gait-formats §3.1: names without regard to case, unknown members dropped, null as absent, times with their zone.
  // Two members that fold to one name are refused.
  Gait,
};

// Leaves in `value`, a node of `tree`, exactly the known members, in file order, normalised.
// Fails with Invalid naming the member by its path below `path`; `value` is then in between.
Status read(const Structure& structure, const JsonTree& tree, JsonNode& value, Reading reading, std::string_view path);
// The same of a Json, which stays as it is.
Result<Json> read(const Structure& structure, const Json& value, Reading reading, std::string_view path);

// Numbers as every jq prints them and RFC 8785 as well: to 1/1024 where that is at most 15 digits, otherwise whole.
double rounded(double value);

}  // namespace countersign::statement
