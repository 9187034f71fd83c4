// What was signed and executed in a run, found in the ledger: for evidence packs. The ledger has no index by run, so a
// request looks at a piece of it, on a thread of its own; whoever asks goes on from where the answer ends.
#pragma once

#include <cstdint>
#include <functional>

#include "common/json.h"
#include "common/result.h"
#include "signer/daemon/background_thread.h"
#include "signer/ledger/store.h"
#include "signer/transport/event_loop.h"

namespace countersign::daemon {

class EvidenceSearch {
 public:
  using Done = std::function<void(const Result<Json>&)>;

  // Enter the confinement first. Both outlive this.
  EvidenceSearch(transport::EventLoop& loop, const ledger::Store& store) : loop_(loop), store_(store) {}

  // `body` is {"from": N, "match": {MEMBER: [text…]…}}: the signed documents and the records of execution from record N
  // on in which one of the members has one of the values. MEMBER is run_id, trace_id, intent_digest, token_id or trace
  // (the signed digest of an executed trace). Calls back on the loop with
  // {"records":[{"index","at","kind","type","role", "kid","peer_uid","document"}],"next"}, without "next" once the end
  // was reached. Fails with Invalid, and with Unavailable, reason "search_busy", while too many others wait.
  void find(const Json& body, Done done);

 private:
  static constexpr int kMostWaiting = 4;
  transport::EventLoop& loop_;
  const ledger::Store& store_;
  int waiting_ = 0;
  BackgroundThread thread_;  // last: it ends before what it uses
};

}  // namespace countersign::daemon
