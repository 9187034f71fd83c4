// UtcTime, durations as text, and Clock: the only source of "now".
#pragma once

#include <chrono>
#include <compare>
#include <cstdint>
#include <string>
#include <string_view>

#include "common/result.h"

namespace countersign {

// A moment in UTC, years 1 to 9999, nanosecond resolution.
class UtcTime {
 public:
  // 0001-01-01T00:00:00Z, which gait writes for an absent time (reference: gait's Go zero time).
  constexpr UtcTime() = default;
  static UtcTime from_unix(std::int64_t seconds, std::int32_t nanoseconds = 0);

  // RFC 3339 with an optional fraction of up to nine significant digits and a mandatory zone.
  // Fails with Invalid on anything else, on impossible dates and on leap seconds.
  static Result<UtcTime> parse(std::string_view text);

  // UTC, `Z`, a fraction only if non-zero, without trailing zeros.
  std::string rfc3339() const;
  UtcTime whole_seconds() const { return from_unix(seconds_, 0); }

  std::int64_t unix_seconds() const { return seconds_; }
  std::int32_t nanoseconds() const { return nanoseconds_; }
  bool is_zero() const { return *this == UtcTime(); }

  auto operator<=>(const UtcTime&) const = default;
  UtcTime operator+(std::chrono::nanoseconds span) const;
  UtcTime operator-(std::chrono::nanoseconds span) const { return *this + -span; }
  // Saturates at about 292 years.
  std::chrono::nanoseconds operator-(UtcTime other) const;

 private:
  std::int64_t seconds_ = -62135596800;  // since 1970-01-01T00:00:00Z
  std::int32_t nanoseconds_ = 0;         // 0 … 999,999,999
};

// Durations as Go writes and reads them ("1h30m", "1.5h", "15m"; units ns us µs ms s m h).
// Fails with Invalid on anything else, including a missing unit.
Result<std::chrono::nanoseconds> parse_duration(std::string_view text);
std::string duration_text(std::chrono::nanoseconds span);  // "1h30m0s", as Go's Duration.String

class Clock {
 public:
  virtual ~Clock() = default;
  virtual UtcTime now() const = 0;
  // CLOCK_BOOTTIME: counts suspend, never steps.
  virtual std::chrono::nanoseconds since_boot() const = 0;
};

class SystemClock : public Clock {
 public:
  UtcTime now() const override;
  std::chrono::nanoseconds since_boot() const override;
};

}  // namespace countersign
