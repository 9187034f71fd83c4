// What a say token needs before it is signed: an allow of exactly what it says, recorded a moment ago and used for
// nothing yet (docs/voice.md, docs/decisions/0012-say-tokens.md).
#pragma once

#include <variant>

#include "common/clock.h"
#include "signer/config/config.h"
#include "signer/daemon/refusal.h"
#include "signer/ledger/store.h"
#include "signer/statement/statement.h"

namespace countersign::daemon {

class SayRules {
 public:
  SayRules(const config::Config& config, const ledger::Store& store) : config_(config), store_(store) {}

  // The signed_digest of the allow's trace, which the transaction that records the token marks as executed: one token
  // a permit. Refusals by reason: no_allowed_decision (the latest decision on its intent and policy is no allow),
  // permit_expired, permit_future and as permit_in_time otherwise, say_token_mismatch (the recorded intent says
  // something else, or was not recorded), ttl_over_limit (longer than approvals.execute_within).
  std::variant<Digest, Refusal> judge(const statement::SayTokenFields& token, UtcTime now) const;

 private:
  const config::Config& config_;
  const ledger::Store& store_;
};

}  // namespace countersign::daemon
