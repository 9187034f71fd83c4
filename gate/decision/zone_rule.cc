#include "gate/decision/zone_rule.h"

#include <algorithm>
#include <chrono>

namespace countersign::gate {
namespace {

constexpr std::int64_t kHour = 3600;
constexpr std::int64_t kDay = 24 * kHour;
constexpr int kMostHours = 167;  // a week, as RFC 8536 §3.3.1 extends POSIX

}  // namespace

// Each function reads its part off the front; false where it is not there.
class ZoneRuleReader {
 public:
  explicit ZoneRuleReader(std::string_view text) : text_(text) {}

  bool rule(ZoneRule& out) {
    std::int64_t west = 0;
    if (!name() || !time(west)) return false;
    out.standard_ = -west;
    out.summer_ = out.standard_ + kHour;
    if (!name()) return false;
    if (!text_.empty() && text_.front() != ',') {
      if (!time(west)) return false;
      out.summer_ = -west;
    }
    return literal(',') && day(out.begins_) && literal(',') && day(out.ends_) && text_.empty();
  }

 private:
  bool literal(char c) {
    if (text_.empty() || text_.front() != c) return false;
    text_.remove_prefix(1);
    return true;
  }

  bool name() {
    constexpr std::size_t kShortest = 3;
    const bool quoted = literal('<');
    std::size_t length = 0;
    const auto belongs = [quoted](char c) {
      const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
      return letter || (quoted && ((c >= '0' && c <= '9') || c == '+' || c == '-'));
    };
    while (length < text_.size() && belongs(text_[length])) ++length;
    text_.remove_prefix(length);
    return length >= kShortest && (!quoted || literal('>'));
  }

  bool number(int& out, int least, int most) {
    out = 0;
    std::size_t digits = 0;
    for (; digits < text_.size() && digits < 3 && text_[digits] >= '0' && text_[digits] <= '9'; ++digits) {
      out = out * 10 + (text_[digits] - '0');
    }
    text_.remove_prefix(digits);
    return digits > 0 && out >= least && out <= most;
  }

  // [+-]hh[:mm[:ss]]
  bool time(std::int64_t& seconds) {
    const bool negative = literal('-');
    if (!negative) literal('+');
    int hours = 0, minutes = 0, rest = 0;
    if (!number(hours, 0, kMostHours)) return false;
    if (literal(':')) {
      if (!number(minutes, 0, 59)) return false;
      if (literal(':') && !number(rest, 0, 59)) return false;
    }
    seconds = hours * kHour + std::int64_t{minutes} * 60 + rest;
    if (negative) seconds = -seconds;
    return true;
  }

  bool day(ZoneRule::Day& out) {
    using Kind = ZoneRule::Day::Kind;
    if (literal('M')) {
      out.kind = Kind::Weekday;
      if (!number(out.number, 1, 12) || !literal('.') || !number(out.week, 1, 5) || !literal('.') ||
          !number(out.weekday, 0, 6)) {
        return false;
      }
    } else if (literal('J')) {
      out.kind = Kind::Julian;
      if (!number(out.number, 1, 365)) return false;
    } else {
      out.kind = Kind::Zero;
      if (!number(out.number, 0, 365)) return false;
    }
    return !literal('/') || time(out.seconds);
  }

  std::string_view text_;
};

std::optional<ZoneRule> ZoneRule::parse(std::string_view text) {
  ZoneRule out;
  if (!ZoneRuleReader(text).rule(out)) return std::nullopt;
  return out;
}

std::int64_t ZoneRule::moment_of(const Day& day, int year, std::int64_t offset) {
  using namespace std::chrono;
  const auto first = sys_days(std::chrono::year(year) / January / 1);
  sys_days date = first;
  if (day.kind == Day::Kind::Zero) {
    date = first + days(day.number);
  } else if (day.kind == Day::Kind::Julian) {
    constexpr int kFirstOfMarch = 60;
    const bool leaps = std::chrono::year(year).is_leap() && day.number >= kFirstOfMarch;
    date = first + days(day.number - 1 + (leaps ? 1 : 0));
  } else {
    const auto month = std::chrono::year(year) / std::chrono::month(static_cast<unsigned>(day.number));
    const weekday wanted(static_cast<unsigned>(day.weekday));
    constexpr int kLastWeek = 5;
    date = day.week == kLastWeek ? sys_days(month / wanted[last])
                                 : sys_days(month / wanted[static_cast<unsigned>(day.week)]);
  }
  return date.time_since_epoch().count() * kDay + day.seconds - offset;
}

std::vector<ZoneChange> ZoneRule::changes_in(int year) const {
  std::vector<ZoneChange> out{{moment_of(begins_, year, standard_), summer_},
                              {moment_of(ends_, year, summer_), standard_}};
  std::ranges::sort(out, {}, &ZoneChange::at);
  return out;
}

}  // namespace countersign::gate
