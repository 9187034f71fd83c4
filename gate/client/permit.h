// A signed allow, checked against what is about to run. Only a Permit may be marked executed.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "common/clock.h"
#include "common/digest.h"
#include "common/json.h"
#include "common/result.h"
#include "gate/intent/intent.h"
#include "keymgmt/key_set.h"

namespace countersign::gate::client {

// What must hold for a tool call (architecture, "Allow, approve, redeem, run").
struct PermitRules {
  const keymgmt::KeySet& keys;
  std::optional<Digest> policy_digest;  // pinned by the caller
  std::chrono::nanoseconds execute_within = std::chrono::minutes(5);
  UtcTime now;
};

class Permit {
 public:
  // `intent` carries the context of its envelope, if it had one: it must hash to the trace's intent_digest. `argv` must
  // equal args.argv byte for byte, both as the intent spells it and as it was approved (trimmed).
  // Fails with VerificationFailed where the trace does not verify, with Refused otherwise; `reason` one of
  // verdict_not_allow, intent_mismatch, policy_mismatch, permit_expired, permit_from_the_future, argv_missing,
  // argv_mismatch.
  static Result<Permit> check(const Json& trace, const Intent& intent, const std::vector<std::string>& argv,
                              const PermitRules& rules);

  // The same for a call that is no command line: everything but argv.
  static Result<Permit> check_call(const Json& trace, const Intent& intent, const PermitRules& rules);

  const Json& trace() const { return trace_; }

 private:
  explicit Permit(Json trace) : trace_(std::move(trace)) {}
  Json trace_;
};

}  // namespace countersign::gate::client
