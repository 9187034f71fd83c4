// POST /v1/executed: a permit is marked used before what it permits starts, and only once.
#pragma once

#include <functional>

#include "common/clock.h"
#include "signer/config/config.h"
#include "signer/daemon/key_ring.h"
#include "signer/daemon/peer_policy.h"
#include "signer/daemon/recorder.h"
#include "signer/daemon/refusal_log.h"
#include "signer/ledger/time_guard.h"

namespace countersign::daemon {

// Only an allow permits something.
Error not_an_allow();
// Whether a permit of that moment may still be used, for an execution or a say token. Fails with Refused:
// permit_expired (older than approvals.execute_within), permit_future (beyond limits.clock_step), and as Store::usable.
Status permit_in_time(UtcTime allowed_at, UtcTime now, const config::Config& config, const ledger::Store& store);
// The record that a permit was used, and its single use. `trace` is the signed digest.
ledger::Item executed_item(const Digest& trace, const Caller& caller, UtcTime at);

class Execution {
 public:
  using Done = std::function<void(Result<Json>)>;

  Execution(const config::Config& config, const Clock& clock, const ledger::Store& store, ledger::TimeGuard& guard,
            const KeyRing& keys, Recorder& recorder, RefusalLog& refusals)
      : config_(config),
        clock_(clock),
        store_(store),
        guard_(guard),
        keys_(keys),
        recorder_(recorder),
        refusals_(refusals) {}

  // `body` is {"trace"}; the answer {"executed":true,"log_index"}. Refused unless the trace is signed by a published
  // trace key (its verification's reason), says allow (not_an_allow), was recorded here (trace_unknown) and is not
  // older than approvals.execute_within (permit_expired) nor from the future (permit_future). The second time:
  // Conflict, already_executed. While the clock is not believed a permit's age is unknown: Unavailable, as TimeGuard.
  void mark(const Json& body, const Caller& caller, Done done);

 private:
  Result<Digest> checked(const Json& body) const;
  const config::Config& config_;
  const Clock& clock_;
  const ledger::Store& store_;
  ledger::TimeGuard& guard_;
  const KeyRing& keys_;
  Recorder& recorder_;
  RefusalLog& refusals_;
};

}  // namespace countersign::daemon
