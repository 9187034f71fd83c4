#include "common/clock.h"

#include <array>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <limits>

namespace countersign {
namespace {

constexpr std::int64_t kNanosPerSecond = 1'000'000'000;
constexpr std::int64_t kLongestWholeSeconds = std::numeric_limits<std::int64_t>::max() / kNanosPerSecond;

// Reads exactly `digits` decimal digits at `at` and moves on; -1 if there are fewer.
int read_digits(std::string_view text, std::size_t& at, std::size_t digits) {
  if (at + digits > text.size()) return -1;
  int value = 0;
  for (std::size_t i = 0; i < digits; ++i, ++at) {
    const char c = text[at];
    if (c < '0' || c > '9') return -1;
    value = value * 10 + (c - '0');
  }
  return value;
}

// Over the zeros that stand there. A record has three times, and printf takes longer than hashing one.
void write_digits(std::string& text, std::size_t at, std::size_t digits, int value) {
  for (std::size_t i = at + digits; i-- > at; value /= 10) text[i] = static_cast<char>('0' + value % 10);
}

bool read_char(std::string_view text, std::size_t& at, char expected) {
  if (at >= text.size() || text[at] != expected) return false;
  ++at;
  return true;
}

Error not_a_time(std::string_view text) {
  return Error{ErrorCode::Invalid, "\"" + std::string(text.substr(0, 64)) + "\" is not an RFC 3339 time"};
}

struct DurationUnit {
  std::string_view name;
  std::int64_t nanoseconds;
};

constexpr DurationUnit kDurationUnits[] = {
    {"ns", 1},         {"us", 1'000},          {"\u00b5s", 1'000},          {"\u03bcs", 1'000},
    {"ms", 1'000'000}, {"s", kNanosPerSecond}, {"m", 60 * kNanosPerSecond}, {"h", 3600 * kNanosPerSecond},
};

}  // namespace

UtcTime UtcTime::from_unix(std::int64_t seconds, std::int32_t nanoseconds) {
  UtcTime time;
  time.seconds_ = seconds;
  time.nanoseconds_ = nanoseconds;
  return time;
}

Result<UtcTime> UtcTime::parse(std::string_view text) {
  std::size_t at = 0;
  const int year = read_digits(text, at, 4);
  if (year < 0 || !read_char(text, at, '-')) return not_a_time(text);
  const int month = read_digits(text, at, 2);
  if (month < 0 || !read_char(text, at, '-')) return not_a_time(text);
  const int day = read_digits(text, at, 2);
  if (day < 0 || !read_char(text, at, 'T')) return not_a_time(text);
  const int hour = read_digits(text, at, 2);
  if (hour < 0 || !read_char(text, at, ':')) return not_a_time(text);
  const int minute = read_digits(text, at, 2);
  if (minute < 0 || !read_char(text, at, ':')) return not_a_time(text);
  const int second = read_digits(text, at, 2);
  if (second < 0 || hour > 23 || minute > 59 || second > 59) return not_a_time(text);

  std::int64_t nanoseconds = 0;
  if (read_char(text, at, '.')) {
    std::int64_t scale = kNanosPerSecond / 10;
    const std::size_t first = at;
    while (at < text.size() && text[at] >= '0' && text[at] <= '9') {
      nanoseconds += (text[at] - '0') * scale;  // digits past the ninth add nothing
      scale /= 10;
      ++at;
    }
    if (at == first) return not_a_time(text);
  }

  std::int64_t offset = 0;
  if (!read_char(text, at, 'Z')) {
    const bool east = at < text.size() && text[at] == '+';
    if (!east && (at >= text.size() || text[at] != '-')) return not_a_time(text);
    ++at;
    const int hours = read_digits(text, at, 2);
    if (hours < 0 || hours > 23 || !read_char(text, at, ':')) return not_a_time(text);
    const int minutes = read_digits(text, at, 2);
    if (minutes < 0 || minutes > 59) return not_a_time(text);
    offset = (hours * 60 + minutes) * 60 * (east ? 1 : -1);
  }
  if (at != text.size()) return not_a_time(text);

  const std::chrono::year_month_day date{std::chrono::year(year), std::chrono::month(static_cast<unsigned>(month)),
                                         std::chrono::day(static_cast<unsigned>(day))};
  if (!date.ok()) return not_a_time(text);
  const std::int64_t days = std::chrono::sys_days(date).time_since_epoch().count();
  return from_unix(((days * 24 + hour) * 60 + minute) * 60 + second - offset, static_cast<std::int32_t>(nanoseconds));
}

std::string UtcTime::rfc3339() const {
  const std::chrono::sys_seconds moment{std::chrono::seconds(seconds_)};
  const auto midnight = std::chrono::floor<std::chrono::days>(moment);
  const std::chrono::year_month_day date{midnight};
  const auto of_day = static_cast<int>((moment - midnight).count());
  std::string text = "0000-00-00T00:00:00";
  write_digits(text, 0, 4, static_cast<int>(date.year()));
  write_digits(text, 5, 2, static_cast<int>(static_cast<unsigned>(date.month())));
  write_digits(text, 8, 2, static_cast<int>(static_cast<unsigned>(date.day())));
  write_digits(text, 11, 2, of_day / 3600);
  write_digits(text, 14, 2, of_day / 60 % 60);
  write_digits(text, 17, 2, of_day % 60);
  if (nanoseconds_ != 0) {
    text += ".000000000";
    write_digits(text, text.size() - 9, 9, nanoseconds_);
    while (text.back() == '0') text.pop_back();
  }
  text += 'Z';
  return text;
}

UtcTime UtcTime::operator+(std::chrono::nanoseconds span) const {
  std::int64_t seconds = seconds_ + span.count() / kNanosPerSecond;
  std::int64_t nanoseconds = nanoseconds_ + span.count() % kNanosPerSecond;
  if (nanoseconds >= kNanosPerSecond) {
    nanoseconds -= kNanosPerSecond;
    ++seconds;
  } else if (nanoseconds < 0) {
    nanoseconds += kNanosPerSecond;
    --seconds;
  }
  return from_unix(seconds, static_cast<std::int32_t>(nanoseconds));
}

std::chrono::nanoseconds UtcTime::operator-(UtcTime other) const {
  const std::int64_t seconds = seconds_ - other.seconds_;
  if (seconds >= kLongestWholeSeconds) return std::chrono::nanoseconds::max();
  if (seconds <= -kLongestWholeSeconds) return std::chrono::nanoseconds::min();
  return std::chrono::nanoseconds(seconds * kNanosPerSecond + (nanoseconds_ - other.nanoseconds_));
}

Result<std::chrono::nanoseconds> parse_duration(std::string_view text) {
  const Error refusal{ErrorCode::Invalid,
                      "\"" + std::string(text.substr(0, 64)) + "\" is not a duration such as 15m, 1h30m or 90s"};
  std::string_view rest = text;
  bool negative = false;
  if (!rest.empty() && (rest.front() == '-' || rest.front() == '+')) {
    negative = rest.front() == '-';
    rest.remove_prefix(1);
  }
  if (rest == "0") return std::chrono::nanoseconds(0);
  if (rest.empty()) return refusal;
  constexpr std::int64_t kMost = std::numeric_limits<std::int64_t>::max();
  std::int64_t total = 0;
  while (!rest.empty()) {
    std::int64_t whole = 0;
    std::int64_t fraction = 0;
    std::int64_t fraction_scale = 1;
    std::size_t digits = 0;
    while (!rest.empty() && rest.front() >= '0' && rest.front() <= '9') {
      if (whole > (kMost - 9) / 10) return refusal;
      whole = whole * 10 + (rest.front() - '0');
      rest.remove_prefix(1);
      ++digits;
    }
    if (!rest.empty() && rest.front() == '.') {
      rest.remove_prefix(1);
      while (!rest.empty() && rest.front() >= '0' && rest.front() <= '9') {
        if (fraction_scale < kNanosPerSecond * 1'000'000) {
          fraction = fraction * 10 + (rest.front() - '0');
          fraction_scale *= 10;
        }
        rest.remove_prefix(1);
        ++digits;
      }
    }
    if (digits == 0) return refusal;
    const DurationUnit* unit = nullptr;
    for (const DurationUnit& candidate : kDurationUnits) {
      // The longest name wins: "ms" is not "m" followed by "s".
      if (rest.starts_with(candidate.name) && (unit == nullptr || candidate.name.size() > unit->name.size())) {
        unit = &candidate;
      }
    }
    if (unit == nullptr) return refusal;
    rest.remove_prefix(unit->name.size());
    if (whole > kMost / unit->nanoseconds) return refusal;
    const auto part =
        static_cast<std::int64_t>(static_cast<long double>(fraction) * (static_cast<long double>(unit->nanoseconds) /
                                                                        static_cast<long double>(fraction_scale)));
    const std::int64_t span = whole * unit->nanoseconds;
    if (span > kMost - part || total > kMost - span - part) return refusal;
    total += span + part;
  }
  return std::chrono::nanoseconds(negative ? -total : total);
}

std::string duration_text(std::chrono::nanoseconds span) {
  const std::int64_t nanoseconds = span.count();
  if (nanoseconds == 0) return "0s";
  if (nanoseconds < 0) return "-" + duration_text(-span);
  const auto trimmed = [](std::int64_t value, std::int64_t unit, int places) {
    std::string text = std::to_string(value / unit);
    std::string fraction = std::to_string(value % unit);
    fraction.insert(0, static_cast<std::size_t>(places) - fraction.size(), '0');
    while (!fraction.empty() && fraction.back() == '0') fraction.pop_back();
    return fraction.empty() ? text : text + "." + fraction;
  };
  if (nanoseconds < 1'000) return std::to_string(nanoseconds) + "ns";
  if (nanoseconds < 1'000'000) return trimmed(nanoseconds, 1'000, 3) + "\u00b5s";
  if (nanoseconds < kNanosPerSecond) return trimmed(nanoseconds, 1'000'000, 6) + "ms";
  const std::int64_t seconds = nanoseconds / kNanosPerSecond;
  std::string text;
  if (seconds >= 3600) text += std::to_string(seconds / 3600) + "h";
  if (seconds >= 60) text += std::to_string(seconds / 60 % 60) + "m";
  return text + trimmed(nanoseconds % (60 * kNanosPerSecond), kNanosPerSecond, 9) + "s";
}

UtcTime SystemClock::now() const {
  timespec now{};
  if (clock_gettime(CLOCK_REALTIME, &now) != 0) std::abort();
  return UtcTime::from_unix(now.tv_sec, static_cast<std::int32_t>(now.tv_nsec));
}

std::chrono::nanoseconds SystemClock::since_boot() const {
  timespec now{};
  if (clock_gettime(CLOCK_BOOTTIME, &now) != 0) std::abort();
  return std::chrono::seconds(now.tv_sec) + std::chrono::nanoseconds(now.tv_nsec);
}

}  // namespace countersign
