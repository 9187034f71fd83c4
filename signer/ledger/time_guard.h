// Signing stops when the wall clock moves in a way that time does not: tokens would live again after a step back, and
// a step forward would make every later honest time look like a step back.
//
// Between two looks the wall clock is compared with CLOCK_BOOTTIME. What it gained or lost adds up and is forgiven at
// 500 ppm, the most by which an honest clock is slewed (adjtimex(2)): many small steps are seen as one large one is.
// The high-water mark moves only while the clock is believed, so a jump never becomes the mark.
#pragma once

#include <chrono>
#include <mutex>
#include <optional>
#include <string>

#include "common/clock.h"
#include "common/result.h"

namespace countersign::ledger {

// The latest believed moment, and where CLOCK_BOOTTIME stood then. Kept in the ledger by every commit.
struct TimeMark {
  UtcTime wall;
  std::chrono::nanoseconds since_boot{};
  std::string boot_id;  // /proc/sys/kernel/random/boot_id
  bool operator==(const TimeMark&) const = default;
};

// Empty where the kernel gives none; then a restart is compared as a different boot is.
std::string this_boot_id();

// Safe to use from several threads.
class TimeGuard {
 public:
  // `mark` as the ledger kept it; nothing for a new ledger. With the same boot id a restart hides neither a step back
  // nor a jump forward; after another boot only a step back behind the mark can be told.
  TimeGuard(const Clock& clock, std::chrono::nanoseconds bound, const std::optional<TimeMark>& mark,
            std::string boot_id);

  // Looks at the clock: moves the mark, or stops. Call it before every signature or batch, and at least once a minute.
  // Fails with Unavailable, reason "clock_stepped_back" or "clock_jumped_forward", from the first wrong look on until
  // reset(), also if the clock comes back by itself.
  Status check();

  bool stopped() const;
  // The present where the clock is believed, else the latest moment at which it was.
  UtcTime believed();
  TimeMark mark() const;
  // Believes the present clock again. The caller commits a record of kind "time_reset", which keeps the new mark.
  void reset();

 private:
  TimeMark present() const;
  std::chrono::nanoseconds gained_by(const TimeMark& now) const;  // requires mutex_
  std::optional<Error> deviation(const TimeMark& now) const;      // requires mutex_

  const Clock& clock_;
  const std::chrono::nanoseconds bound_;
  const std::string boot_id_;
  mutable std::mutex mutex_;
  TimeMark last_;                      // the last believed look; guarded by mutex_
  std::chrono::nanoseconds gained_{};  // over CLOCK_BOOTTIME, not yet forgiven; guarded by mutex_
  TimeMark mark_;                      // guarded by mutex_
  std::optional<Error> stopped_;       // guarded by mutex_
};

}  // namespace countersign::ledger
