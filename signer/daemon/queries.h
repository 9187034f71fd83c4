// Everything that is asked without anything being signed or recorded.
#pragma once

#include <string_view>

#include "common/clock.h"
#include "signer/config/config.h"
#include "signer/daemon/key_ring.h"
#include "signer/daemon/nonces.h"
#include "signer/ledger/store.h"

namespace countersign::daemon {

class Queries {
 public:
  Queries(const config::Config& config, const Clock& clock, const ledger::Store& store, const KeyRing& keys,
          Nonces& nonces)
      : config_(config), clock_(clock), store_(store), keys_(keys), nonces_(nonces) {}

  // {"nonce","expires_at"}
  Result<Json> nonce(std::uint32_t uid) const;
  // The latest decision on the pair, with "approval": {"required_scopes","default_ttl_seconds","max_ttl_seconds"}.
  Result<Json> decision(std::string_view query) const;
  // {"requests":[decision…]}: pairs whose latest decision is a require_approval of the last 24 hours.
  Result<Json> requests() const;
  // {"intent_digest","intent":{"digest_form","document"}}
  Result<Json> request(std::string_view digest) const;
  // One key of the set, by kid or alias (percent-encoded).
  Result<Json> key(std::string_view name) const;
  // The record that ?index=N names, or ?intent_digest=&signed_digest= (of a trace). Fails with NotFound.
  Result<std::uint64_t> log_index(std::string_view query) const;
  // {"valid","reason","role","kid","key_state"}
  Result<Json> verify(const Json& body) const;

 private:
  Json json_of(const ledger::Decision& decision) const;
  const config::Config& config_;
  const Clock& clock_;
  const ledger::Store& store_;
  const KeyRing& keys_;
  Nonces& nonces_;
};

}  // namespace countersign::daemon
