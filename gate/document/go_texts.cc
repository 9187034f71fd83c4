#include "gate/document/go_texts.h"

#include <algorithm>
#include <iterator>

namespace countersign::gate {
namespace {

constexpr std::string_view kLayout = "2006-01-02T15:04:05Z07:00";
constexpr std::string_view kUnits[] = {"ns", "us", "µs", "μs", "ms", "s", "m", "h"};

std::string quoted(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out + "\"";
}

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

// One part of the layout: so many digits, or the text itself where `digits` is 0; what Go says of a number beyond
// `most`.
struct Part {
  std::string_view layout;
  std::size_t digits;
  int most;
  std::string_view name;
};
constexpr Part kParts[] = {{"2006", 4, 9999, ""},   {"-", 0, 0, ""}, {"01", 2, 12, "month"}, {"-", 0, 0, ""},
                           {"02", 2, 31, "day"},    {"T", 0, 0, ""}, {"15", 2, 23, "hour"},  {":", 0, 0, ""},
                           {"04", 2, 59, "minute"}, {":", 0, 0, ""}, {"05", 2, 59, "second"}};

}  // namespace

std::string go_time_complaint(std::string_view text) {
  const std::string start = "parsing time " + quoted(text) + " as " + quoted(kLayout) + ": cannot parse ";
  std::string_view rest = text;
  std::string out_of_range;
  for (const Part& part : kParts) {
    const std::size_t size = std::max<std::size_t>(part.digits, 1);
    const bool fits =
        rest.size() >= size &&
        (part.digits == 0 ? rest.front() == part.layout.front()
                          : std::all_of(rest.begin(), rest.begin() + static_cast<std::ptrdiff_t>(size), is_digit));
    if (!fits) return start + quoted(rest) + " as " + quoted(part.layout);
    int value = 0;
    for (std::size_t i = 0; i < part.digits; ++i) value = value * 10 + (rest[i] - '0');
    const bool least = part.name == "month" || part.name == "day";
    if (out_of_range.empty() && !part.name.empty() && (value > part.most || (least && value == 0))) {
      out_of_range = "parsing time " + quoted(text) + ": " + std::string(part.name) + " out of range";
    }
    rest.remove_prefix(size);
  }
  if (!out_of_range.empty()) return out_of_range;
  if (rest.size() > 1 && rest.front() == '.' && is_digit(rest[1])) {
    rest.remove_prefix(1);
    while (!rest.empty() && is_digit(rest.front())) rest.remove_prefix(1);
  }
  constexpr std::size_t kZone = 6;  // +07:00
  const bool utc = !rest.empty() && rest.front() == 'Z';
  const bool offset = rest.size() >= kZone && (rest.front() == '+' || rest.front() == '-') && is_digit(rest[1]) &&
                      is_digit(rest[2]) && rest[3] == ':' && is_digit(rest[4]) && is_digit(rest[5]);
  if (!utc && !offset) return start + quoted(rest) + " as \"Z07:00\"";
  rest.remove_prefix(utc ? 1 : kZone);
  if (!rest.empty()) return "parsing time " + quoted(text) + ": extra text: " + quoted(rest);
  return "parsing time " + quoted(text) + ": day out of range";
}

std::string go_duration_complaint(std::string_view text) {
  const std::string invalid = "time: invalid duration " + quoted(text);
  std::string_view rest = text;
  if (!rest.empty() && (rest.front() == '-' || rest.front() == '+')) rest.remove_prefix(1);
  if (rest.empty()) return invalid;
  while (!rest.empty()) {
    const std::size_t number = std::min(rest.find_first_not_of("0123456789."), rest.size());
    const std::string_view digits = rest.substr(0, number);
    if (digits.empty() || digits == "." || std::count(digits.begin(), digits.end(), '.') > 1) return invalid;
    rest.remove_prefix(number);
    const std::string_view unit = rest.substr(0, rest.find_first_of("0123456789."));
    if (unit.empty()) return "time: missing unit in duration " + quoted(text);
    if (std::find(std::begin(kUnits), std::end(kUnits), unit) == std::end(kUnits)) {
      return "time: unknown unit " + quoted(unit) + " in duration " + quoted(text);
    }
    rest.remove_prefix(unit.size());
  }
  return invalid;
}

}  // namespace countersign::gate
