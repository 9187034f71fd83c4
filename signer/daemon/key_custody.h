// What changes keys while the signer runs: a halt, a new key, a cut-over, and what the clock alone brings. The plan is
// keymgmt's (rotation.h); here it becomes durable first and takes effect after: the record in the ledger, then the
// marks that the supervisor reads, then the holders, then the published set. Made again from the ledger at every start.
#pragma once

#include <deque>
#include <functional>
#include <optional>
#include <set>
#include <string>

#include "common/json.h"
#include "common/result.h"
#include "keymgmt/ceremony/quorum.h"
#include "keymgmt/publication/signing_request.h"
#include "keymgmt/rotation.h"
#include "signer/config/config.h"
#include "signer/config/roster.h"
#include "signer/daemon/holder_pool.h"
#include "signer/daemon/key_ring.h"
#include "signer/daemon/peer_policy.h"
#include "signer/daemon/publisher.h"
#include "signer/daemon/recorder.h"
#include "signer/ledger/sqlite_store.h"
#include "signer/transport/event_loop.h"

namespace countersign::daemon {

// Whether no key of the role signs because one was compromised.
bool is_halted_role(const keymgmt::Keys& keys, keymgmt::Role role);

class KeyCustody {
 public:
  using Done = std::function<void(Result<Json>)>;
  // The holders of a role are to end now; the supervisor starts new ones unless the role is halted.
  using EndHolders = std::function<void(keymgmt::Role)>;

  KeyCustody(transport::EventLoop& loop, const config::Config& config, ledger::SqliteStore& store, KeyRing& ring,
             HolderPool& holders, Publisher& publisher)
      : loop_(loop), config_(config), store_(store), ring_(ring), holders_(holders), publisher_(publisher) {}

  // Before anybody listens and before the set is published: what fell due while nothing ran, and what a crash left
  // undone. Gives the roles whose holders may have been started by a mark that was not true yet.
  Result<std::set<keymgmt::Role>> settle();
  // After custodians agreed to a roster of verifiers, by its digest.
  void agree(std::string roster) { agreed_roster_ = std::move(roster); }
  // From now on there is a recorder; without it nothing below may be called.
  void start(Recorder& recorder, EndHolders end_holders);

  // {"role","key"?,"reason"} → {"halted","role","keys","promoted","compromised_since","key_set_version","published"}: a
  // halt stands also where it could not be published yet, which is tried again. Fails with NotFound (unknown_role,
  // unknown_key), Conflict (already_halted, just_promoted: a second call that names no key would take away the key that
  // the first one promoted).
  void halt(const Json& body, const Caller& caller, Done done);
  // {"token","keys":[key as its holder described it],"quorum"?} → {"root"?,"targets","keyset","present","threshold",
  // "trial"}: what custodians must sign (the signed parts, and the text of keyset.json) before these keys can be
  // staged, and what it follows. Changes nothing. Without keys: the set as it is, with new lives. With a quorum: a root
  // of its custodians. Fails with Conflict, reason "no_repository", where there is no root yet; with Refused,
  // "root_key_missing", where one of the quorum has none.
  void propose(const Json& body, const Caller& caller, Done done);
  // {"token","keys", "publication"?: CustodianFiles} → {"staged":[{"kid","gate_opens"}]}. Where there is a repository
  // its next version comes along, signed (Refused "targets_unsigned"); it is stored before the ledger says staged.
  // Fails with Conflict "publication_differs" where it does not list the keys, with Refused "root_not_agreed" where
  // its root names other custodians than the present one, and as Repository::with.
  void stage(const Json& body, const Caller& caller, Done done);
  // The same without keys, for a ceremony that agreed on who signs the root from now on.
  void hand_over(const Json& publication, const publication::RootSigners& agreed, const Caller& caller, Done done);
  // Null where custodians have signed nothing yet.
  const publication::Repository* repository() const { return publisher_.repository(); }
  // {"kid"} → {"active","retiring"}. Fails with Conflict (cutover_too_early, key_not_held, key_state).
  void activate(const Json& body, const Caller& caller, Done done);
  // Whether the lifecycle lets the key be destroyed now. Fails as keymgmt::next does, with NotFound (unknown_key).
  Status may_destroy(std::string_view kid) const;
  // After its objects are gone from the token: the record. → {"destroyed": kid}.
  void destroy(const std::string& kid, const std::string& reason, const Caller& caller, Done done);
  // {"acknowledgement","signature"} (statement/acknowledgement.h) → {"verifier","acknowledged":[kid…],
  // "waiting":[{"kid","missing":[name…]}]}. Fails with NotFound "unknown_verifier", VerificationFailed
  // "acknowledgement_invalid", Conflict "acknowledgement_stale" (of another key set) and "acknowledgement_replayed",
  // Refused "clock_skew".
  void acknowledge(const Json& body, const Caller& caller, Done done);
  // Whether the configured roster of verifiers is the one that custodians last agreed to; also where they never agreed
  // to any. Fails with Refused (roster_not_agreed): then nobody's acknowledgement counts, and every cut-over waits for
  // its gate.
  Status check_roster() const;
  // {} → {"key_set_version","timestamp_expires"?}: the set is published again now.
  void republish(const Json& body, const Caller& caller, Done done);
  // What is due, and the set published again when its refresh time has come.
  void every_second();

 private:
  struct Change {
    keymgmt::Keys steps;
    ledger::KeyChange why;
    bool at_once = false;  // also where it cannot be recorded the keys stop signing: a halt
    std::set<keymgmt::Role> end_holders;
    std::optional<publication::CustodianFiles> signed_files{};  // of custodians, stored before the record
  };
  Result<Change> halt_plan(const Json& body, const Caller& caller) const;
  Result<Change> stage_plan(const Json& body, const Caller& caller,
                            const std::optional<publication::RootSigners>& agreed) const;
  Result<Change> activate_plan(const Json& body, const Caller& caller) const;
  Result<Change> destroy_plan(const std::string& kid, const std::string& reason, const Caller& caller) const;
  Result<Change> cutover_plan(const std::string& kid) const;
  Result<Change> acknowledge_plan(const Json& body, const Caller& caller);
  // What the keys of a token would be like, staged.
  struct Staging {
    std::string token;
    keymgmt::Keys steps;
    std::optional<Json> publication;
    std::optional<ceremony::Quorum> quorum;
  };
  Result<Staging> staging_of(const Json& body) const;
  // Plans when what is under way is done, so that a halt waits for another change and is never refused for it.
  using Plan = std::function<Result<Change>()>;
  using Answer = std::function<Json(const keymgmt::Keys& steps)>;
  void carry_out(Plan plan, Answer answer, Done done);
  void begin(Change plan, Answer answer, Done done);
  void take_next();
  void publish(Done done);
  // The next change that the plan of the configuration asks for; nothing where none is due.
  std::optional<Change> scheduled_change();
  // Who must acknowledge a key: nobody where the roster is open or not agreed to.
  keymgmt::Rosters rosters() const { return check_roster() ? roster_.rosters() : keymgmt::Rosters(); }
  std::vector<std::string> roster_of(keymgmt::Role role) const;
  UtcTime now() const { return store_.time_guard().believed(); }

  transport::EventLoop& loop_;
  const config::Config& config_;
  ledger::SqliteStore& store_;
  KeyRing& ring_;
  HolderPool& holders_;
  Publisher& publisher_;
  Recorder* recorder_ = nullptr;
  EndHolders end_holders_;
  config::Roster roster_;
  std::string agreed_roster_;  // digest; empty: custodians never agreed to one
  bool changing_ = false;
  UtcTime tried_;                        // the last publication, good or not
  std::deque<std::string> seen_nonces_;  // of acknowledgements
  std::deque<std::function<void()>> waiting_;
};

}  // namespace countersign::daemon
