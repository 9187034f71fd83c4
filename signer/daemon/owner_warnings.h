// What the security owner is told of the signer itself without anybody asking: that a role has no standby or is to be
// rotated, that what is published runs out or cannot be written, that the clock stepped.
#pragma once

#include <string_view>

#include "common/clock.h"
#include "common/json.h"
#include "signer/config/config.h"
#include "signer/config/events.h"
#include "signer/daemon/key_health.h"
#include "signer/daemon/key_ring.h"
#include "signer/daemon/publisher.h"
#include "signer/daemon/recorder.h"
#include "signer/ledger/time_guard.h"

namespace countersign::daemon {

class OwnerWarnings {
 public:
  OwnerWarnings(const config::Config& config, const Clock& clock, ledger::TimeGuard& guard, const KeyRing& keys,
                const Publisher& publisher, Recorder& recorder)
      : config_(config), clock_(clock), guard_(guard), keys_(keys), publisher_(publisher), recorder_(recorder) {}

  // Records something that happened to the signer, and tells the owner: once for `dedupe` in the event's window.
  void tell(config::Event event, std::string_view dedupe, Json details);
  // Tells what is due: at once when it begins, and deadlines once a day after that. Call it every second.
  void tell_what_is_due();

 private:
  void tell_of_keys(UtcTime now);
  void tell_of_publication(UtcTime now);
  void tell_of_clock();

  const config::Config& config_;
  const Clock& clock_;
  ledger::TimeGuard& guard_;
  const KeyRing& keys_;
  const Publisher& publisher_;
  Recorder& recorder_;
  KeyWarnings keys_told_;
  UtcTime publication_told_;
  bool in_trouble_ = false;
  bool clock_told_ = false;
};

}  // namespace countersign::daemon
