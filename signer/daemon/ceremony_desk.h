// The signer's side of a ceremony: takes a plan in once its quorum has signed it, lets each of its steps happen as the
// plan says and no other, and closes it over a transcript that the quorum signed. Keys move by KeyCustody, one record
// a step; doing a step again that is done gives the same answer, so that whoever lost power just asks again.
#pragma once

#include <functional>
#include <string>

#include "common/json.h"
#include "common/result.h"
#include "signer/ceremonies/ceremony_book.h"
#include "signer/config/approver_roster.h"
#include "signer/config/config.h"
#include "signer/daemon/key_custody.h"
#include "signer/daemon/key_ring.h"
#include "signer/daemon/peer_policy.h"
#include "signer/daemon/recorder.h"
#include "signer/ledger/sqlite_store.h"

namespace countersign::daemon {

using ceremonies::CeremonyBook;
using ceremonies::OpenCeremony;
using ceremonies::Standing;

class CeremonyDesk {
 public:
  using Done = std::function<void(Result<Json>)>;

  CeremonyDesk(const config::Config& config, ledger::SqliteStore& store, const KeyRing& ring, KeyCustody& custody,
               Recorder& recorder)
      : config_(config),
        store_(store),
        ring_(ring),
        custody_(custody),
        recorder_(recorder),
        approvers_(config::approver_roster_digest(config)),
        book_(config.state) {}

  // {"intent": the file's text, "approvals":[…]} → {"sha256","name","resumed"}. Refused: under_signed,
  // approval_invalid, unknown_custodian, other_custodians, no_custodians, too_early, too_late, plan_used,
  // predecessor_mismatch, unknown_token; Conflict: ceremony_open.
  void open(const Json& body, const Caller& caller, Done done);
  // {"step": number from 0, "key"?: as its holder described it, "backup"?: text, "phase"?: "may",
  // "publication"?: what custodians signed of POST /v1/keys/propose} → what was done. Refused: targets_unsigned.
  void step(std::string_view plan, const Json& body, const Caller& caller, Done done);
  // {"outcome":"completed","transcript": text, "approvals":[…]} or {"outcome":"abandoned","reason"}.
  void close(std::string_view plan, const Json& body, const Caller& caller, Done done);

  Result<Json> list();                       // {"open", "ended", "standing"}
  Result<Json> show(std::string_view plan);  // the open one or one that ended; NotFound

  // Whether the configured approvers are those that the custodians last agreed to; also where they never agreed to any.
  // Fails with Refused (roster_not_agreed): then nothing is approved.
  Status check_approvers() const;

 private:
  Status ready() const;  // reads the book once
  Result<const OpenCeremony*> open_one(std::string_view plan);
  Status check_quorum(const ceremony::Intent& intent, const std::vector<ceremony::Approval>& approvals) const;
  Status check_world(const ceremony::Intent& intent) const;
  // Whether root and targets are to be signed by these from now on, and are not yet.
  bool takes_root(const ceremony::Quorum& quorum) const;
  Status check_root_keys(const ceremony::Quorum& quorum) const;
  void settle(const ceremony::Intent& intent, Standing standing, Json answer, const Caller& caller, Done done);
  void key_step(const ceremony::Intent& intent, const ceremony::Step& step, const Json& body, const Caller& caller,
                Done done);
  void record(std::string_view event, const ceremony::Intent& intent, std::vector<ledger::Redemption> redeem,
              Json details, const Caller& caller, Done done);
  UtcTime now() const { return store_.time_guard().believed(); }

  const config::Config& config_;
  ledger::SqliteStore& store_;
  const KeyRing& ring_;
  KeyCustody& custody_;
  Recorder& recorder_;
  std::string approvers_;  // digest of the configured roster
  mutable CeremonyBook book_;
  mutable bool read_ = false;
  bool busy_ = false;  // a plan is being opened or closed
};

}  // namespace countersign::daemon
