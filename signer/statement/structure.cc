#include "signer/statement/structure.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <optional>

#include "common/clock.h"
#include "common/text.h"

namespace countersign::statement {
namespace {

constexpr std::size_t kMostFields = 80;
constexpr std::size_t kWholeSecondsUtc = std::string_view("2006-01-02T15:04:05Z").size();
constexpr char kDelete = '\x7f';
constexpr std::string_view kLongS = "\xc5\xbf";  // U+017F, which Go folds to s

Error invalid(std::string_view path, std::string_view name, std::string_view rule) {
  std::string detail(path);
  if (!detail.empty() && !name.empty()) detail += '.';
  detail += name.substr(0, 64);
  detail += ": ";
  detail += rule;
  return Error{ErrorCode::Invalid, std::move(detail)};
}

// Field names are ASCII, and besides A–Z only U+212A and U+017F fold into ASCII letters.
std::string folded(std::string_view name) {
  std::string out = lowered(name);
  for (std::size_t at = out.find(kLongS); at != std::string::npos; at = out.find(kLongS, at)) {
    out.replace(at, kLongS.size(), "s");
  }
  return out;
}

// Documents come in file order, so the next field is nearly always right behind the last one.
std::size_t index_of(const Structure& structure, std::string_view name, std::size_t hint) {
  const std::size_t count = structure.fields.size();
  for (std::size_t step = 0; step < count; ++step) {
    const std::size_t at = hint + step < count ? hint + step : hint + step - count;
    if (structure.fields[at].name == name) return at;
  }
  return count;
}

bool needs_folding(std::string_view name) {
  return std::any_of(name.begin(), name.end(),
                     [](char c) { return (c >= 'A' && c <= 'Z') || static_cast<unsigned char>(c) >= 0x80; });
}

bool is_hex_digest(std::string_view text) {
  return text.size() == 2 * Digest::kSize &&
         std::all_of(text.begin(), text.end(), [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

// A time as Go writes it after reading it: the given zone (Z where it is none) and no trailing zeros in the fraction.
std::string as_go_writes(std::string_view text) {
  const std::size_t zone = text.find_first_of("Z+-", text.find('T'));
  std::string_view moment = text.substr(0, zone);
  if (moment.find('.') != std::string_view::npos) {
    moment = moment.substr(0, moment.find_last_not_of('0') + 1);
    if (moment.ends_with('.')) moment.remove_suffix(1);
  }
  const std::string_view offset = text.substr(zone);
  const bool utc = offset == "Z" || offset == "+00:00" || offset == "-00:00";
  return std::string(moment) + (utc ? "Z" : std::string(offset));
}

JsonNode& zero_of(const JsonTree& tree, const Field& field) {
  switch (field.kind) {
    case Field::Kind::Text:
    case Field::Kind::HexDigest:
      return tree.make_text("");
    case Field::Kind::Time:
      return tree.make_text(tree.keep(UtcTime().rfc3339()));
    case Field::Kind::Integer:
    case Field::Kind::Number:
    case Field::Kind::Decimal:
      return tree.make(JsonNode::Kind::Integer);
    case Field::Kind::Flag:
      return tree.make(JsonNode::Kind::Bool);
    case Field::Kind::Texts:
      return tree.make(JsonNode::Kind::Null);
    case Field::Kind::Objects:
      return tree.make(field.nullable ? JsonNode::Kind::Null : JsonNode::Kind::Array);
    case Field::Kind::Object:
      break;
  }
  JsonNode& members = tree.make(JsonNode::Kind::Object);
  for (const Field& inner : field.shape->fields) {
    if (inner.presence == Field::Presence::Optional || inner.presence == Field::Presence::Sealed) continue;
    JsonNode& zero = zero_of(tree, inner);
    zero.name = inner.name;
    members.append(zero);
  }
  return members;
}

bool is_empty(const JsonNode& value) {
  switch (value.kind) {
    case JsonNode::Kind::Null:
      return true;
    case JsonNode::Kind::Bool:
    case JsonNode::Kind::Integer:
      return value.integer == 0;
    case JsonNode::Kind::Double:
      return value.number == 0;
    case JsonNode::Kind::Text:
      return value.text.empty();
    case JsonNode::Kind::Array:
      return value.count == 0;
    case JsonNode::Kind::Object:
      return false;
  }
  __builtin_unreachable();
}

// Reads one structure. Its functions give false after the first refusal, which is then in `refusal`: a trace has some
// eighty members, and a Status for each would cost more than what is looked at.
class Reader {
 public:
  Reader(const JsonTree& tree, Reading reading, std::string_view path, std::optional<Error>& refusal)
      : tree_(tree), strict_(reading == Reading::Strict), path_(path), refusal_(refusal) {}

  // Leaves in `value` the known members, in file order.
  bool object(const Structure& structure, JsonNode& value) const {
    if (!value.is(JsonNode::Kind::Object)) return refuse("", "must be an object");
    const std::size_t count = structure.fields.size();
    std::array<JsonNode*, kMostFields> given;
    std::fill_n(given.begin(), count, nullptr);
    bool as_written = true;  // the members need only be checked where they stand
    if (!place(structure, value, given, as_written)) return false;
    std::array<Fate, kMostFields> fates;
    for (std::size_t at = 0; at < count; ++at) {
      const Field& field = structure.fields[at];
      if (given[at] == nullptr && may_be_left_out(field)) {
        fates[at] = Fate::LeftOut;
        continue;
      }
      fates[at] = fate(field, given[at]);
      if (fates[at] == Fate::Refused) return false;
      as_written = as_written && fates[at] == Fate::Kept;
    }
    if (as_written) return true;
    value.clear();
    for (std::size_t at = 0; at < count; ++at) {
      if (fates[at] == Fate::LeftOut) continue;
      JsonNode& member = fates[at] == Fate::Kept ? *given[at] : zero_of(tree_, structure.fields[at]);
      member.name = structure.fields[at].name;
      value.append(member);
    }
    return true;
  }

 private:
  enum class Fate { Refused, LeftOut, Zero, Kept };
  using Places = std::array<JsonNode*, kMostFields>;

  bool refuse(std::string_view name, std::string_view rule) const {
    refusal_ = invalid(path_, name, rule);
    return false;
  }

  // Finds each member's place in `structure`.
  bool place(const Structure& structure, JsonNode& value, Places& given, bool& as_written) const {
    const std::size_t count = structure.fields.size();
    std::size_t hint = 0;
    for (JsonNode& member : value.children()) {
      std::size_t at = index_of(structure, member.name, hint);
      if (at == count && !strict_ && needs_folding(member.name)) {
        at = index_of(structure, folded(member.name), hint);
        if (at < count && given[at] == nullptr) member.name = structure.fields[at].name;
      }
      if (at == count) {
        if (strict_) return refuse(member.name, "is no member of this statement");
        as_written = false;
        continue;
      }
      if (given[at] != nullptr) return refuse(member.name, "stands twice");
      given[at] = &member;
      as_written = as_written && at >= hint;
      hint = at + 1;
    }
    return true;
  }

  static bool by_holder(const Field& field) {
    return field.presence == Field::Presence::Stamped || field.presence == Field::Presence::Sealed;
  }
  static bool may_lack(const Field& field) {
    return field.presence == Field::Presence::Optional || field.presence == Field::Presence::Sealed;
  }
  // A stamped member is put in by the holder, not here.
  bool may_be_left_out(const Field& field) const { return may_lack(field) || (strict_ && by_holder(field)); }

  // What becomes of a member, which is normalised if it is kept.
  Fate fate(const Field& field, JsonNode* given) const {
    const auto refused = [&](std::string_view rule) { return refuse(field.name, rule), Fate::Refused; };
    const bool is_null = given != nullptr && given->is(JsonNode::Kind::Null);
    const bool stays_null = field.nullable && is_null;
    if (strict_ && given != nullptr && by_holder(field)) return refused("is set by the signer");
    if (strict_ && is_null && !stays_null) return refused("must not be null");
    if (given == nullptr || is_null) {
      if (strict_ && field.presence == Field::Presence::Required && !stays_null) return refused("is missing");
      return may_be_left_out(field) ? Fate::LeftOut : Fate::Zero;
    }
    if (!value(field, *given)) return Fate::Refused;
    if (is_empty(*given) && field.kind != Field::Kind::Object) {
      if (may_lack(field)) return Fate::LeftOut;
      const bool text = field.kind == Field::Kind::Text || field.kind == Field::Kind::HexDigest;
      if (strict_ && text && field.presence == Field::Presence::Required) return refused("must not be empty");
    }
    return Fate::Kept;
  }

  // Checks `given` and normalises it where it stands.
  bool value(const Field& field, JsonNode& given) const {
    switch (field.kind) {
      case Field::Kind::Text:
        return text(field, given);
      case Field::Kind::HexDigest:
        if (strict_ && given.is(JsonNode::Kind::Text) && !given.text.empty() && !is_hex_digest(given.text)) {
          return refuse(field.name, "must be 64 lower-case hex digits");
        }
        return text(field, given);
      case Field::Kind::Time:
        return time(field, given);
      case Field::Kind::Integer:
        if (given.is(JsonNode::Kind::Integer) && !is_too_large(given)) return true;
        return refuse(field.name, "must be an integer below 2^53");
      case Field::Kind::Number:
      case Field::Kind::Decimal:
        if (!given.is_number() || is_too_large(given)) return refuse(field.name, "must be a number below 2^53");
        if (strict_ && field.kind == Field::Kind::Number) {
          given.number = rounded(given.as_double());
          given.kind = JsonNode::Kind::Double;
        }
        return true;
      case Field::Kind::Flag:
        return given.is(JsonNode::Kind::Bool) || refuse(field.name, "must be true or false");
      case Field::Kind::Texts:
        return texts(field, given);
      case Field::Kind::Object:
        return inner(field).object(*field.shape, given);
      case Field::Kind::Objects:
        return structures(field, given);
    }
    __builtin_unreachable();
  }

  bool is_too_large(const JsonNode& number) const {
    return strict_ && std::abs(number.as_double()) > static_cast<double>(kLargestInteger);
  }

  bool text(const Field& field, const JsonNode& given) const {
    if (!given.is(JsonNode::Kind::Text)) return refuse(field.name, "must be a string");
    if (!strict_) return true;
    if (given.text.size() > kLongestText) return refuse(field.name, "is longer than 4096 bytes");
    return given.text.find(kDelete) == std::string_view::npos || refuse(field.name, "must not hold U+007F");
  }

  bool time(const Field& field, JsonNode& given) const {
    if (!given.is(JsonNode::Kind::Text)) return refuse(field.name, "must be an RFC 3339 time");
    const auto moment = UtcTime::parse(given.text);
    if (!moment) return refuse(field.name, "must be an RFC 3339 time");
    if (given.text.size() == kWholeSecondsUtc) return true;  // the form it would be given anyway
    given.text = tree_.keep(strict_ ? moment->rfc3339() : as_go_writes(given.text));
    return true;
  }

  bool list(const Field& field, const JsonNode& given, std::string_view rule) const {
    if (!given.is(JsonNode::Kind::Array)) return refuse(field.name, rule);
    return !strict_ || given.count <= kLongestArray || refuse(field.name, "is longer than 1024");
  }

  bool texts(const Field& field, JsonNode& given) const {
    if (!list(field, given, "must be a list of strings")) return false;
    for (JsonNode& element : given.children()) {
      if (!strict_ && element.is(JsonNode::Kind::Null)) element.kind = JsonNode::Kind::Text;
      if (!text(field, element)) return false;
    }
    return true;
  }

  bool structures(const Field& field, JsonNode& given) const {
    if (!list(field, given, "must be a list of objects")) return false;
    const Reader reader = inner(field);
    for (JsonNode& element : given.children()) {
      if (!strict_ && element.is(JsonNode::Kind::Null)) element.kind = JsonNode::Kind::Object;
      if (!reader.object(*field.shape, element)) return false;
    }
    return true;
  }

  Reader inner(const Field& field) const {
    return Reader(tree_, strict_ ? Reading::Strict : Reading::Gait, field.name, refusal_);
  }

  const JsonTree& tree_;
  bool strict_;
  std::string_view path_;
  std::optional<Error>& refusal_;
};

}  // namespace

Status read(const Structure& structure, const JsonTree& tree, JsonNode& value, Reading reading, std::string_view path) {
  std::optional<Error> refusal;
  if (Reader(tree, reading, path, refusal).object(structure, value)) return ok();
  return *std::move(refusal);
}

Result<Json> read(const Structure& structure, const Json& value, Reading reading, std::string_view path) {
  const JsonTree tree(value);
  RETURN_IF_ERROR(read(structure, tree, tree.root(), reading, path));
  return tree.root().json();
}

double rounded(double value) {
  constexpr double kStep = 1024;       // 1/1024 has ten decimals, all exact in binary
  constexpr double kFiveDigits = 1e5;  // five more before the point: 15 digits are the same in every writer
  if (std::abs(value) >= kFiveDigits) return std::round(value);
  const double near = std::round(value * kStep) / kStep;
  return near == 0 ? 0 : near;
}

}  // namespace countersign::statement
