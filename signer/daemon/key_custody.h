// What changes keys while the signer runs: a halt, a new key, a cut-over, and what the clock alone brings. The plan is
// keymgmt's (rotation.h); here it becomes durable first and takes effect after: the record in the ledger, then the
// marks that the supervisor reads, then the holders, then the published set. Made again from the ledger at every start.
#pragma once

#include <deque>
#include <functional>
#include <set>
#include <string>

#include "common/json.h"
#include "common/result.h"
#include "keymgmt/rotation.h"
#include "signer/config/config.h"
#include "signer/daemon/holder_pool.h"
#include "signer/daemon/key_ring.h"
#include "signer/daemon/peer_policy.h"
#include "signer/daemon/recorder.h"
#include "signer/ledger/sqlite_store.h"
#include "signer/transport/event_loop.h"

namespace countersign::daemon {

class KeyCustody {
 public:
  using Done = std::function<void(Result<Json>)>;
  // The holders of a role are to end now; the supervisor starts new ones unless the role is halted.
  using EndHolders = std::function<void(keymgmt::Role)>;

  KeyCustody(transport::EventLoop& loop, const config::Config& config, ledger::SqliteStore& store, KeyRing& ring,
             HolderPool& holders)
      : loop_(loop), config_(config), store_(store), ring_(ring), holders_(holders) {}

  // Before anybody listens and before the set is published: what fell due while nothing ran, and what a crash left
  // undone. Gives the roles whose holders may have been started by a mark that was not true yet.
  Result<std::set<keymgmt::Role>> settle();
  // From now on there is a recorder; without it nothing below may be called.
  void start(Recorder& recorder, EndHolders end_holders);

  // {"role","key"?,"reason"} → {"halted","role","keys","promoted","compromised_since","key_set_version"}. Fails with
  // NotFound (unknown_role, unknown_key), Conflict (already_halted, just_promoted: a second call that names no key
  // would take away the key that the first one promoted).
  void halt(const Json& body, const Caller& caller, Done done);
  // {"token","keys":[key as its holder described it]} → {"staged":[{"kid","gate_opens"}]}.
  void stage(const Json& body, const Caller& caller, Done done);
  // {"kid"} → {"active","retiring"}. Fails with Conflict (cutover_too_early, key_not_held, key_state).
  void activate(const Json& body, const Caller& caller, Done done);
  // Whether the lifecycle lets the key be destroyed now. Fails as keymgmt::next does, with NotFound (unknown_key).
  Status may_destroy(std::string_view kid) const;
  // After its objects are gone from the token: the record. → {"destroyed": kid}.
  void destroy(const std::string& kid, const std::string& reason, const Caller& caller, Done done);
  // What is due, and the set published again when its refresh time has come.
  void every_second();

 private:
  struct Change {
    keymgmt::Keys steps;
    ledger::KeyChange why;
    bool at_once = false;  // also where it cannot be recorded the keys stop signing: a halt
    std::set<keymgmt::Role> end_holders;
  };
  Result<Change> halt_plan(const Json& body, const Caller& caller) const;
  Result<Change> stage_plan(const Json& body, const Caller& caller) const;
  Result<Change> activate_plan(const Json& body, const Caller& caller) const;
  Result<Change> destroy_plan(const std::string& kid, const std::string& reason, const Caller& caller) const;
  // Plans when what is under way is done, so that a halt waits for another change and is never refused for it.
  using Plan = std::function<Result<Change>()>;
  using Answer = std::function<Json(const keymgmt::Keys& steps)>;
  void carry_out(Plan plan, Answer answer, Done done);
  void begin(Change plan, Answer answer, Done done);
  void take_next();
  void publish();
  UtcTime now() const { return store_.time_guard().believed(); }

  transport::EventLoop& loop_;
  const config::Config& config_;
  ledger::SqliteStore& store_;
  KeyRing& ring_;
  HolderPool& holders_;
  Recorder* recorder_ = nullptr;
  EndHolders end_holders_;
  bool changing_ = false;
  std::deque<std::function<void()>> waiting_;
};

}  // namespace countersign::daemon
