#include "signer/daemon/key_ring.h"

#include <algorithm>

#include "signer/channel/holder_setup.h"

namespace countersign::daemon {
namespace {

using statement::StatementType;

bool has_key(const keymgmt::KeySet& set, keymgmt::Role role, keymgmt::Algorithm algorithm) {
  return std::any_of(set.keys().begin(), set.keys().end(), [&](const keymgmt::PublishedKey& key) {
    return key.role == role && key.key.algorithm() == algorithm;
  });
}

Error mismatch(std::string detail) {
  return Error{ErrorCode::Refused, std::move(detail), "key_mismatch",
               "The token's keys are not those of the ledger: was the token replaced, or the ledger restored?"};
}

}  // namespace

Result<KeyRing> KeyRing::load(const ledger::Store& store, const config::Config& config, UtcTime now) {
  ASSIGN_OR_RETURN(std::vector<keymgmt::PublishedKey> keys, store.keys());
  ASSIGN_OR_RETURN(const std::uint64_t version, store.key_set_version());
  KeyRing ring;
  ring.set_ = keymgmt::KeySet(version, now.whole_seconds(), std::move(keys));
  ring.set_.expire_at(ring.set_.issued_at() + config.publication_lifetime);
  for (const config::RoleConfig& role : config.roles) {
    for (const keymgmt::Algorithm algorithm : role.algorithms) {
      const keymgmt::PublishedKey* active = ring.set_.active(role.role, algorithm);
      ring.needed_.try_emplace(role.role);
      if (active == nullptr) {
        if (has_key(ring.set_, role.role, algorithm)) continue;
        return Error{ErrorCode::Refused,
                     "the ledger has no " + std::string(keymgmt::name_of(algorithm)) + " key of the role " +
                         std::string(keymgmt::name_of(role.role)),
                     "no_active_key", "Run `countersignd init`, or the ceremony that makes the key."};
      }
      ring.needed_[role.role].push_back(active->key.kid());
      for (const statement::StatementRow& row : statement::statement_rows()) {
        if (row.role != role.role || (algorithm == keymgmt::Algorithm::P256 && !row.p256)) continue;
        ring.signing_[row.type].push_back({algorithm, active->key.kid()});
      }
    }
  }
  ring.document_ = ring.set_.document().compact();
  ring.jwks_ = ring.set_.jwks().compact();
  ring.etag_ = '"' + sha256(ring.document_).hex().substr(0, 32) + '"';
  return ring;
}

Status KeyRing::reload(const ledger::Store& store, const config::Config& config, UtcTime now) {
  ASSIGN_OR_RETURN(KeyRing fresh, load(store, config, now));
  *this = std::move(fresh);
  return ok();
}

bool KeyRing::signs(const std::string& kid) const {
  const keymgmt::PublishedKey* key = set_.find(kid);
  return key != nullptr && keymgmt::may_sign(key->state) && !key->compromised_since && !stopped_.contains(kid);
}

Error KeyRing::no_signing_key(StatementType type) const {
  const statement::StatementRow& row = statement::row_of(type);
  const std::string role(keymgmt::name_of(row.role));
  const std::string none = "no active key signs " + std::string(row.name);
  const auto keys = needed_.find(row.role);
  if (keys == needed_.end()) {
    return Error{ErrorCode::Refused, none, "no_signing_key",
                 "The configuration has no role " + role + ": add it under `roles`, and make its key in a ceremony."};
  }
  for (const keymgmt::PublishedKey& key : set_.keys()) {
    if (key.role != row.role || !(key.compromised_since || stopped_.contains(key.key.kid()))) continue;
    return Error{ErrorCode::Unavailable,
                 "the role " + role + " is halted: its key " + key.key.kid() + " does not sign any more", "role_halted",
                 "Ask again where a standby key is taking over; `countersign status` says so."};
  }
  if (!keys->second.empty()) {
    return Error{ErrorCode::Refused, none, "no_signing_key",
                 "Only an Ed25519 key signs it: give the role " + role + " one."};
  }
  return Error{ErrorCode::Unavailable, none, "no_signing_key",
               "The role " + role + " has no active key; `countersign keys list` shows when one takes over."};
}

const std::string* KeyRing::signing_kid(StatementType type, std::optional<keymgmt::Algorithm> algorithm) const {
  const auto found = signing_.find(type);
  if (found == signing_.end()) return nullptr;
  for (const SigningKey& key : found->second) {
    if (stopped_.contains(key.kid)) continue;
    if (!algorithm || key.algorithm == *algorithm) return &key.kid;
  }
  return nullptr;
}

Result<std::vector<std::string>> KeyRing::compare(keymgmt::Role role, const Json& ready) const {
  const Json* rows = ready.find("keys");
  if (rows == nullptr || !rows->is_array()) return mismatch("a holder's ready message lists no keys");
  std::vector<std::string> held;
  std::vector<std::string> findings;
  for (const Json& row : rows->as_array()) {
    ASSIGN_OR_RETURN(const channel::HeldKey key, channel::HeldKey::from_json(row));
    const std::string& kid = key.key.kid();
    held.push_back(kid);
    const keymgmt::PublishedKey* known = set_.find(kid);
    if (known == nullptr) {
      findings.push_back("the token of the role " + std::string(keymgmt::name_of(role)) + " holds key " + kid + " (" +
                         key.label + "), which the ledger does not know; it is not used");
      continue;
    }
    if (known->role != role || key.role != role || known->key.spki() != key.key.spki()) {
      return mismatch("key " + kid + " is held for the role " + std::string(keymgmt::name_of(role)) +
                      " but is registered for " + std::string(keymgmt::name_of(known->role)));
    }
  }
  const auto needed = needed_.find(role);
  if (needed == needed_.end()) return mismatch("a holder serves a role that is not configured");
  for (const std::string& kid : needed->second) {
    if (std::find(held.begin(), held.end(), kid) == held.end()) {
      return mismatch("the holder of the role " + std::string(keymgmt::name_of(role)) + " lacks the active key " + kid);
    }
  }
  return findings;
}

}  // namespace countersign::daemon
