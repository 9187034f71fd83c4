#include "signer/ledger/time_guard.h"

#include "common/durable_file.h"
#include "common/text.h"

namespace countersign::ledger {
namespace {

constexpr std::int64_t kSlew = 2000;  // 1 / 2000 = 500 ppm

}  // namespace

std::string this_boot_id() {
  const Result<std::string> id = read_file("/proc/sys/kernel/random/boot_id", 128);
  return id ? std::string(trimmed(*id)) : std::string();
}

TimeGuard::TimeGuard(const Clock& clock, std::chrono::nanoseconds bound, const std::optional<TimeMark>& mark,
                     std::string boot_id)
    : clock_(clock), bound_(bound), boot_id_(std::move(boot_id)) {
  const TimeMark now = present();
  mark_ = mark.value_or(now);
  // After another boot the mark tells nothing about how long the machine was off.
  const bool same_boot = !boot_id_.empty() && mark_.boot_id == boot_id_ && mark_.since_boot <= now.since_boot;
  last_ = same_boot ? mark_ : now;
}

TimeMark TimeGuard::present() const {
  return TimeMark{clock_.now(), clock_.since_boot(), boot_id_};
}

std::chrono::nanoseconds TimeGuard::gained_by(const TimeMark& now) const {
  const std::chrono::nanoseconds elapsed = now.since_boot - last_.since_boot;
  const std::chrono::nanoseconds forgiven = elapsed / kSlew;
  const std::chrono::nanoseconds gained = now.wall - (last_.wall + (elapsed - gained_));
  if (gained > forgiven) return gained - forgiven;
  if (gained < -forgiven) return gained + forgiven;
  return std::chrono::nanoseconds(0);
}

std::optional<Error> TimeGuard::deviation(const TimeMark& now) const {
  const std::chrono::nanoseconds gained = gained_by(now);
  const char* hint =
      "Set the clock right; then a quorum of custodians resets the time guard. Nothing is signed until then.";
  if (mark_.wall - now.wall > bound_ || gained < -bound_) {
    return Error{
        ErrorCode::Unavailable,
        "the clock stepped back to " + now.wall.rfc3339() + ", the latest believed time is " + mark_.wall.rfc3339(),
        "clock_stepped_back", hint};
  }
  if (gained > bound_) {
    return Error{ErrorCode::Unavailable,
                 "the clock jumped forward to " + now.wall.rfc3339() + ", by CLOCK_BOOTTIME it is " +
                     (last_.wall + (now.since_boot - last_.since_boot)).rfc3339(),
                 "clock_jumped_forward", hint};
  }
  return std::nullopt;
}

Status TimeGuard::check() {
  const std::lock_guard lock(mutex_);
  if (!stopped_) {
    const TimeMark now = present();
    stopped_ = deviation(now);
    if (!stopped_) {
      gained_ = gained_by(now);
      last_ = now;
      if (now.wall > mark_.wall) mark_ = now;
    }
  }
  if (stopped_) return *stopped_;
  return ok();
}

bool TimeGuard::stopped() const {
  const std::lock_guard lock(mutex_);
  return stopped_.has_value();
}

UtcTime TimeGuard::believed() {
  return check() ? clock_.now() : mark().wall;
}

TimeMark TimeGuard::mark() const {
  const std::lock_guard lock(mutex_);
  return mark_;
}

void TimeGuard::reset() {
  const std::lock_guard lock(mutex_);
  mark_ = present();
  last_ = mark_;
  gained_ = std::chrono::nanoseconds(0);
  stopped_.reset();
}

}  // namespace countersign::ledger
