// A clock set by hand.
#pragma once

#include "common/clock.h"

namespace countersign::test {

class FakeClock : public Clock {
 public:
  explicit FakeClock(UtcTime start = UtcTime::from_unix(1'800'000'000)) : now_(start) {}
  UtcTime now() const override { return now_; }
  std::chrono::nanoseconds since_boot() const override { return since_boot_; }

  // Time passes: both clocks move.
  void advance(std::chrono::nanoseconds span) {
    now_ = now_ + span;
    since_boot_ += span;
  }
  // Somebody sets the wall clock; CLOCK_BOOTTIME stays.
  void step(std::chrono::nanoseconds span) { now_ = now_ + span; }

 private:
  UtcTime now_;
  std::chrono::nanoseconds since_boot_ = std::chrono::hours(1);
};

}  // namespace countersign::test
