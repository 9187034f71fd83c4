// Json::parse: the lexer's values as Json, and what both readers refuse.
#include <boost/json/src.hpp>
#include <unordered_set>

#include "common/hex_digit.h"
#include "common/json.h"
#include "common/json_complaint.h"
#include "common/json_lexer.h"
#include "common/text.h"

namespace countersign {
namespace {

constexpr std::string_view kReplacement = "\\ufffd";
constexpr std::size_t kUsualMembers = 6;  // room made for each object before it is read

// Makes Json of what the lexer finds.
class Builder {
 public:
  explicit Builder(bool fold_case) : fold_case_(fold_case) {}

  void begin_object() {
    Json::Object object;
    object.reserve(kUsualMembers);
    open_.push_back(Frame{Json(std::move(object)), std::move(key_)});
  }
  bool end_object() {
    if (!names_are_unique(open_.back().value.as_object())) return false;
    close();
    return true;
  }
  void begin_array() { open_.push_back(Frame{Json(Json::Array{}), std::move(key_)}); }
  void end_array() { close(); }
  void key(std::string_view name) { key_.assign(name); }
  void text(std::string_view text) { value(std::string(text)); }

  // `Child` is what a Json can be made of: it is made where it stays.
  template <typename Child>
  void value(Child&& child) {
    if (open_.empty()) {
      whole = Json(std::forward<Child>(child));
    } else if (open_.back().value.is_array()) {
      open_.back().value.as_array().emplace_back(std::forward<Child>(child));
    } else {
      open_.back().value.as_object().emplace_back(std::move(key_), std::forward<Child>(child));
      key_.clear();
    }
  }

  // Of the member being read: "args.a[1]".
  std::string path() const {
    constexpr std::size_t kMost = 200;
    std::string out;
    for (std::size_t i = 0; i < open_.size(); ++i) {
      if (out.size() > kMost) return out + "…";
      const Json& value = open_[i].value;
      if (value.is_array()) {
        out += "[" + std::to_string(value.as_array().size()) + "]";
        continue;
      }
      const std::string& name = i + 1 < open_.size() ? open_[i + 1].key : key_;
      if (!name.empty()) out += (out.empty() ? "" : ".") + name.substr(0, 64);
    }
    return out;
  }

  Json whole;
  std::string repeated;  // the member that stood twice

 private:
  struct Frame {
    Json value;
    std::string key;
  };

  void close() {
    Frame frame = std::move(open_.back());
    open_.pop_back();
    key_ = std::move(frame.key);
    value(std::move(frame.value));
  }

  bool names_are_unique(const Json::Object& object) {
    if (object.size() <= json_lexer::kFewMembers && !fold_case_) {
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

namespace json_lexer {

Error too_large(std::size_t size, std::size_t limit) {
  return Error{ErrorCode::TooLarge,
               "a JSON document of " + std::to_string(size) + " bytes; the limit is " + std::to_string(limit)};
}

std::optional<Error> objection(std::string_view text, const Json::Limits& limits, const Reading& reading) {
  const std::string at = reading.path.empty() ? std::string() : " at " + reading.path;
  if (!reading.repeated.empty()) {
    const std::string name(reading.repeated.substr(0, 64));
    return Error{ErrorCode::Invalid, "the member \"" + name + "\" stands twice in one JSON object" + at,
                 "repeated_member"}
        .at(reading.path.empty() ? name : reading.path + "." + name);
  }
  if (reading.inexact) {
    return Error{ErrorCode::Invalid,
                 "an integer beyond 2^53" + at +
                     ", which readers round to another number: a digest cannot tell the two "
                     "apart",
                 "inexact_integer", "write it as a string"}
        .at(reading.path);
  }
  const std::string_view rest = text.substr(std::min(reading.used, text.size()));
  const bool complete = !reading.error && reading.done && rest.find_first_not_of(" \t\r\n") == std::string_view::npos;
  if (complete) return std::nullopt;
  if (limits.gait) {
    if (std::string complaint = json_complaint(text).text; !complaint.empty()) return refused(std::move(complaint));
  }
  if (reading.out_of_range)
    return Error{ErrorCode::Invalid, "a JSON number that no double can hold" + at, "number_range"}.at(reading.path);
  if (reading.error == boost::json::error::too_deep) {
    return refused("JSON nested deeper than " + std::to_string(limits.depth) + " levels" + at);
  }
  if (!is_utf8(text)) {
    return Error{ErrorCode::Invalid,
                 "not JSON: bytes" + at + " that are no UTF-8, by byte " + std::to_string(reading.used),
                 "invalid_utf8"};
  }
  if (reading.error) {
    return refused("not JSON: " + reading.error.message() + " at byte " + std::to_string(reading.used));
  }
  if (!reading.done) return refused("not JSON: the text ends too early");
  return refused("bytes after the end of the JSON value");
}

}  // namespace json_lexer

Result<Json> Json::parse(std::string_view text, const Limits& limits) {
  if (text.size() > limits.bytes) return json_lexer::too_large(text.size(), limits.bytes);
  std::string replaced;
  if (limits.gait && text.find("\\u") != std::string_view::npos) {
    replaced = with_replaced_surrogates(text);
    text = replaced;
  }
  Builder builder(limits.gait);
  RETURN_IF_ERROR(json_lexer::read(text, limits, builder));
  return std::move(builder.whole);
}

}  // namespace countersign
