// POST /v1/approvals/revoke: an approval is taken back before it was used. Whoever may approve may revoke any approval:
// it can only take away, and who did it, and why, is recorded and told.
#pragma once

#include <functional>

#include "common/clock.h"
#include "signer/daemon/peer_policy.h"
#include "signer/daemon/recorder.h"
#include "signer/ledger/store.h"

namespace countersign::daemon {

class ApprovalRevocation {
 public:
  using Done = std::function<void(Result<Json>)>;

  ApprovalRevocation(const Clock& clock, const ledger::Store& store, Recorder& recorder)
      : clock_(clock), store_(store), recorder_(recorder) {}

  // `body` is {"token_id","reason"}; the answer {"revoked":true,"token_id","approver_identity","intent_digest",
  // "policy_digest","log_index"}. NotFound, token_unknown, where this signer minted no such token; Conflict,
  // approval_token_consumed or approval_token_revoked, where it was used or revoked before. One that expired is revoked
  // like any other. Needs no believed clock: taking away waits for nothing.
  void revoke(const Json& body, const Caller& caller, Done done);

 private:
  Result<ledger::Item> item_of(const Json& body, const Caller& caller) const;
  const Clock& clock_;
  const ledger::Store& store_;
  Recorder& recorder_;
};

}  // namespace countersign::daemon
