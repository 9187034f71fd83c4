// Refusals that matter are recorded and told to the security owner, and never make the refused wait. How many of one
// uid are recorded is bounded, so that nobody fills the ledger by being refused.
#pragma once

#include <chrono>
#include <cstdint>
#include <string_view>

#include "common/clock.h"
#include "signer/daemon/peer_policy.h"
#include "signer/daemon/rate_limiter.h"
#include "signer/daemon/recorder.h"
#include "signer/daemon/refusal.h"

namespace countersign::daemon {

// One row of the outbox: who, what and why, for the table of events. `dedupe` tells apart what must not be told as one.
ledger::OutboxEvent outbox_event(config::Event event, const Caller& caller, UtcTime at, std::string_view dedupe,
                                 Json details);

class RefusalLog {
 public:
  static constexpr double kRecordedPerSecond = 5;
  static constexpr double kRecordedAtOnce = 200;

  RefusalLog(Recorder& recorder, const Clock& clock) : recorder_(recorder), clock_(clock) {}

  // Nothing where the refusal has no event. `type` is the statement type or the operation that was asked for.
  void note(const Refusal& refusal, const Caller& caller, std::string_view type, std::string_view role);
  std::uint64_t unrecorded() const { return unrecorded_; }

 private:
  Recorder& recorder_;
  const Clock& clock_;
  RateLimiter limiter_{kRecordedPerSecond, kRecordedAtOnce, 1};
  std::uint64_t unrecorded_ = 0;
};

}  // namespace countersign::daemon
