#include "signer/statement/structure.h"

#include <algorithm>
#include <array>
#include <cmath>

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

Json zero_of(const Field& field) {
  switch (field.kind) {
    case Field::Kind::Text:
    case Field::Kind::HexDigest:
      return Json("");
    case Field::Kind::Time:
      return Json(UtcTime().rfc3339());
    case Field::Kind::Integer:
    case Field::Kind::Number:
      return Json(0);
    case Field::Kind::Flag:
      return Json(false);
    case Field::Kind::Texts:
      return Json();
    case Field::Kind::Objects:
      return field.nullable ? Json() : Json(Json::Array{});
    case Field::Kind::Object:
      break;
  }
  Json::Object members;
  for (const Field& inner : field.shape->fields) {
    if (inner.presence != Field::Presence::Optional && inner.presence != Field::Presence::Sealed)
      members.emplace_back(inner.name, zero_of(inner));
  }
  return Json(std::move(members));
}

bool is_empty(const Json& value) {
  if (value.is_null()) return true;
  if (value.is_string()) return value.as_string().empty();
  if (value.is_array()) return value.as_array().empty();
  if (value.is_bool()) return !value.as_bool();
  if (value.is_number()) return value.as_double() == 0;
  return false;
}

class Reader {
 public:
  Reader(Reading reading, std::string_view path) : strict_(reading == Reading::Strict), path_(path) {}

  // Leaves in `value` the known members, in file order.
  Status object(const Structure& structure, Json& value) const {
    if (!value.is_object()) return invalid(path_, "", "must be an object");
    const std::size_t count = structure.fields.size();
    std::array<Json::Member*, kMostFields> given;
    std::fill_n(given.begin(), count, nullptr);
    std::size_t hint = 0;
    bool as_written = true;  // the members need only be checked where they stand
    for (Json::Member& member : value.as_object()) {
      std::size_t at = index_of(structure, member.first, hint);
      if (at == count && !strict_ && needs_folding(member.first)) {
        at = index_of(structure, folded(member.first), hint);
        if (at < count && given[at] == nullptr) member.first = structure.fields[at].name;
      }
      if (at == count) {
        if (strict_) return invalid(path_, member.first, "is no member of this statement");
        as_written = false;
        continue;
      }
      if (given[at] != nullptr) return invalid(path_, member.first, "stands twice");
      given[at] = &member;
      as_written = as_written && at >= hint;
      hint = at + 1;
    }
    std::array<Fate, kMostFields> fates;
    for (std::size_t at = 0; at < count; ++at) {
      const Field& field = structure.fields[at];
      if (given[at] == nullptr && may_be_left_out(field)) {
        fates[at] = Fate::LeftOut;
        continue;
      }
      ASSIGN_OR_RETURN(fates[at], fate(field, given[at] == nullptr ? nullptr : &given[at]->second));
      as_written = as_written && fates[at] == Fate::Kept;
    }
    if (as_written) return ok();
    Json::Object out;
    out.reserve(std::min(count, value.as_object().size() + 8));
    for (std::size_t at = 0; at < count; ++at) {
      if (fates[at] == Fate::Kept) out.push_back(std::move(*given[at]));
      if (fates[at] == Fate::Zero) out.emplace_back(structure.fields[at].name, zero_of(structure.fields[at]));
    }
    value = Json(std::move(out));
    return ok();
  }

 private:
  enum class Fate { LeftOut, Zero, Kept };

  static bool by_holder(const Field& field) {
    return field.presence == Field::Presence::Stamped || field.presence == Field::Presence::Sealed;
  }
  static bool may_lack(const Field& field) {
    return field.presence == Field::Presence::Optional || field.presence == Field::Presence::Sealed;
  }
  // A stamped member is put in by the holder, not here.
  bool may_be_left_out(const Field& field) const { return may_lack(field) || (strict_ && by_holder(field)); }

  // What becomes of a member, which is normalised if it is kept.
  Result<Fate> fate(const Field& field, Json* given) const {
    const bool is_null = given != nullptr && given->is_null();
    const bool stays_null = field.nullable && is_null;
    if (strict_ && given != nullptr && by_holder(field)) {
      return invalid(path_, field.name, "is set by the signer");
    }
    if (strict_ && is_null && !stays_null) {
      return invalid(path_, field.name, "must not be null");
    }
    if (given == nullptr || is_null) {
      if (strict_ && field.presence == Field::Presence::Required && !stays_null) {
        return invalid(path_, field.name, "is missing");
      }
      return may_be_left_out(field) ? Fate::LeftOut : Fate::Zero;
    }
    RETURN_IF_ERROR(value(field, *given));
    if (is_empty(*given) && field.kind != Field::Kind::Object) {
      if (may_lack(field)) return Fate::LeftOut;
      const bool text = field.kind == Field::Kind::Text || field.kind == Field::Kind::HexDigest;
      if (strict_ && text && field.presence == Field::Presence::Required) {
        return invalid(path_, field.name, "must not be empty");
      }
    }
    return Fate::Kept;
  }

  // Checks `given` and normalises it where it stands.
  Status value(const Field& field, Json& given) const {
    switch (field.kind) {
      case Field::Kind::Text:
        return text(field, given);
      case Field::Kind::HexDigest:
        if (strict_ && given.is_string() && !given.as_string().empty() && !is_hex_digest(given.as_string())) {
          return invalid(path_, field.name, "must be 64 lower-case hex digits");
        }
        return text(field, given);
      case Field::Kind::Time:
        return time(field, given);
      case Field::Kind::Integer:
        if (!given.is_integer() || (strict_ && std::abs(given.as_double()) > static_cast<double>(kLargestInteger))) {
          return invalid(path_, field.name, "must be an integer below 2^53");
        }
        return ok();
      case Field::Kind::Number:
        if (!given.is_number() || (strict_ && std::abs(given.as_double()) > static_cast<double>(kLargestInteger))) {
          return invalid(path_, field.name, "must be a number below 2^53");
        }
        if (strict_) given = Json(rounded(given.as_double()));
        return ok();
      case Field::Kind::Flag:
        if (!given.is_bool()) return invalid(path_, field.name, "must be true or false");
        return ok();
      case Field::Kind::Texts:
        return texts(field, given);
      case Field::Kind::Object:
        return inner(field).object(*field.shape, given);
      case Field::Kind::Objects:
        return structures(field, given);
    }
    __builtin_unreachable();
  }

  Status text(const Field& field, const Json& given) const {
    if (!given.is_string()) return invalid(path_, field.name, "must be a string");
    if (strict_) {
      if (given.as_string().size() > kLongestText) return invalid(path_, field.name, "is longer than 4096 bytes");
      if (given.as_string().find(kDelete) != std::string::npos) {
        return invalid(path_, field.name, "must not hold U+007F");
      }
    }
    return ok();
  }

  Status time(const Field& field, Json& given) const {
    if (!given.is_string()) return invalid(path_, field.name, "must be an RFC 3339 time");
    const auto moment = UtcTime::parse(given.as_string());
    if (!moment) return invalid(path_, field.name, "must be an RFC 3339 time");
    if (given.as_string().size() == kWholeSecondsUtc) return ok();  // the form it would be given anyway
    given = Json(strict_ ? moment->rfc3339() : as_go_writes(given.as_string()));
    return ok();
  }

  Status texts(const Field& field, Json& given) const {
    if (!given.is_array()) return invalid(path_, field.name, "must be a list of strings");
    if (strict_ && given.as_array().size() > kLongestArray) return invalid(path_, field.name, "is longer than 1024");
    for (Json& element : given.as_array()) {
      if (!strict_ && element.is_null()) element = Json("");
      RETURN_IF_ERROR(text(field, element));
    }
    return ok();
  }

  Status structures(const Field& field, Json& given) const {
    if (!given.is_array()) return invalid(path_, field.name, "must be a list of objects");
    if (strict_ && given.as_array().size() > kLongestArray) return invalid(path_, field.name, "is longer than 1024");
    const Reader reader = inner(field);
    for (Json& element : given.as_array()) {
      if (!strict_ && element.is_null()) element = Json(Json::Object{});
      RETURN_IF_ERROR(reader.object(*field.shape, element));
    }
    return ok();
  }

  Reader inner(const Field& field) const { return Reader(strict_ ? Reading::Strict : Reading::Gait, field.name); }

  bool strict_;
  std::string_view path_;
};

}  // namespace

Result<Json> read(const Structure& structure, Json&& value, Reading reading, std::string_view path) {
  Json out = std::move(value);
  RETURN_IF_ERROR(Reader(reading, path).object(structure, out));
  return out;
}

double rounded(double value) {
  constexpr double kStep = 1024;       // 1/1024 has ten decimals, all exact in binary
  constexpr double kFiveDigits = 1e5;  // five more before the point: 15 digits are the same in every writer
  if (std::abs(value) >= kFiveDigits) return std::round(value);
  const double near = std::round(value * kStep) / kStep;
  return near == 0 ? 0 : near;
}

}  // namespace countersign::statement
