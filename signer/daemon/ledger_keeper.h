// What the front does for its ledger beside writing it: has the whole of it checked in the background, tells what the
// check finds, and forgets the answers of idempotency keys when their time is over.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "common/clock.h"
#include "common/json.h"
#include "signer/config/config.h"
#include "signer/daemon/recorder.h"
#include "signer/ledger/sqlite_store.h"
#include "signer/transport/event_loop.h"

namespace countersign::daemon {

class LedgerKeeper {
 public:
  // Damage, on the loop, once: details for the record and for the security owner.
  using TellDamage = std::function<void(Json details)>;

  // Starts the check, and with it a thread: enter the confinement first. All must outlive the object, but for `store`,
  // whose check may end later.
  LedgerKeeper(transport::EventLoop& loop, const config::Config& config, const Clock& clock, ledger::SqliteStore& store,
               Recorder& recorder, TellDamage tell_damage);

  ~LedgerKeeper();
  LedgerKeeper(const LedgerKeeper&) = delete;
  LedgerKeeper& operator=(const LedgerKeeper&) = delete;

  // Called every so often; forgets what is due.
  void tick(std::chrono::steady_clock::time_point now);

 private:
  struct Shared;  // with work on other threads, which may outlive this
  const config::Config& config_;
  const Clock& clock_;
  ledger::SqliteStore& store_;
  Recorder& recorder_;
  std::shared_ptr<Shared> shared_;
  std::chrono::steady_clock::time_point forget_due_;
};

// The ledger in `status`: size, root, restores, and how far the check is.
Json ledger_json(const ledger::SqliteStore& store);
// POST /v1/ledger/check. `body` is {"start",["root_at"]}: with start a check begins, and the answer says by which round
// it is done; with root_at it has the root over so many records, too. Fails with NotFound where there are fewer.
Result<Json> ask_for_check(ledger::SqliteStore& store, const Json& body);
// What is to be said of it: damage, a check that cannot read, the last restore.
std::vector<std::string> ledger_findings(const ledger::SqliteStore& store);

}  // namespace countersign::daemon
