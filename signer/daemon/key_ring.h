// The published keys as the front uses them: which key signs what, what verifiers are told, and whether a holder's keys
// are the ledger's.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "common/result.h"
#include "keymgmt/key_set.h"
#include "signer/config/config.h"
#include "signer/ledger/store.h"
#include "signer/statement/statement.h"

namespace countersign::daemon {

class KeyRing {
 public:
  // A role may lack an active key: it was halted, or its first one is not known to verifiers yet. Fails with Refused,
  // reason "no_active_key", where a configured role and algorithm has no key at all in the ledger.
  static Result<KeyRing> load(const ledger::Store& store, const config::Config& config, UtcTime now);

  // The ledger's keys as they are now. On failure nothing changes.
  Status reload(const ledger::Store& store, const config::Config& config, UtcTime now);

  const keymgmt::KeySet& set() const { return set_; }
  // Nothing that the key signed is recorded any more, from this moment to the next reload.
  void stop(const std::string& kid) { stopped_.insert(kid); }
  bool signs(const std::string& kid) const;
  // Why no key signs the type now: Unavailable "role_halted" or "no_signing_key" where a key may take over, Refused
  // "no_signing_key" where none can until the configuration is changed.
  Error no_signing_key(statement::StatementType type) const;
  // The kid of the key that signs the type now: of `algorithm`, or where none is named of the role's first that the
  // type takes. Null where no key does.
  const std::string* signing_kid(statement::StatementType type, std::optional<keymgmt::Algorithm> algorithm = {}) const;

  // What a holder of `role` says it holds (its ready object) against the ledger. Fails with Refused, reason
  // "key_mismatch", when a key has another role here, or when it lacks the active key of a configured algorithm. Gives
  // a sentence for each key that the ledger does not know.
  Result<std::vector<std::string>> compare(keymgmt::Role role, const Json& ready) const;

  const std::string& document() const { return document_; }  // GET /v1/keys
  const std::string& jwks() const { return jwks_; }
  const std::string& etag() const { return etag_; }

 private:
  keymgmt::KeySet set_;
  struct SigningKey {
    keymgmt::Algorithm algorithm;
    std::string kid;
  };
  std::map<statement::StatementType, std::vector<SigningKey>> signing_;  // in the order of the configuration
  std::set<std::string> stopped_;                                        // kids
  std::map<keymgmt::Role, std::vector<std::string>> needed_;             // kids a holder of the role must have
  std::string document_;
  std::string jwks_;
  std::string etag_;
};

}  // namespace countersign::daemon
