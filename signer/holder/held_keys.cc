#include "signer/holder/held_keys.h"

#include <algorithm>

#include "pkcs11/canary.h"

namespace countersign::holder {

keymgmt::Algorithm algorithm_of(pkcs11::KeyKind kind) {
  switch (kind) {
    case pkcs11::KeyKind::Ed25519:
      return keymgmt::Algorithm::Ed25519;
    case pkcs11::KeyKind::P256:
      return keymgmt::Algorithm::P256;
  }
  __builtin_unreachable();
}

pkcs11::KeyKind kind_of(keymgmt::Algorithm algorithm) {
  switch (algorithm) {
    case keymgmt::Algorithm::Ed25519:
      return pkcs11::KeyKind::Ed25519;
    case keymgmt::Algorithm::P256:
      return pkcs11::KeyKind::P256;
  }
  __builtin_unreachable();
}

Result<HeldPair> held_pair(keymgmt::Role role, pkcs11::KeyPair pair) {
  ASSIGN_OR_RETURN(keymgmt::PublicKey key,
                   keymgmt::PublicKey::from_raw(algorithm_of(pair.spec().kind), pair.public_key()));
  const std::string id = to_hex(pair.spec().id);
  const std::string label = pair.spec().label;
  return HeldPair{channel::HeldKey{role, std::move(key), id, label}, std::move(pair)};
}

Result<HeldKeys> HeldKeys::find(const pkcs11::TokenSession& session, keymgmt::Role role,
                                const std::vector<keymgmt::Algorithm>& algorithms) {
  const std::string prefix = std::string(keymgmt::name_of(role)) + "-";
  ASSIGN_OR_RETURN(const std::vector<pkcs11::KeyListing> listed, session.list_key_pairs(prefix));
  HeldKeys keys;
  for (const pkcs11::KeyListing& listing : listed) {
    ASSIGN_OR_RETURN(pkcs11::KeyPair pair, session.find_key_pair(listing.id));
    ASSIGN_OR_RETURN(HeldPair held, held_pair(role, std::move(pair)));
    const bool wanted =
        std::find(algorithms.begin(), algorithms.end(), held.described.key.algorithm()) != algorithms.end();
    if (wanted) keys.pairs_.push_back(std::move(held));
  }
  for (const keymgmt::Algorithm algorithm : algorithms) {
    const bool found = std::any_of(keys.pairs_.begin(), keys.pairs_.end(), [algorithm](const HeldPair& held) {
      return held.described.key.algorithm() == algorithm;
    });
    if (!found) {
      return Error{ErrorCode::NotFound,
                   "token " + session.token().label + " holds no " + std::string(keymgmt::name_of(algorithm)) +
                       " key labelled " + prefix + "…",
                   "no_key"};
    }
  }
  return keys;
}

const HeldPair* HeldKeys::with_kid(std::string_view kid) const {
  for (const HeldPair& held : pairs_) {
    if (held.described.key.kid() == kid) return &held;
  }
  return nullptr;
}

Status HeldKeys::check_canaries() const {
  for (const HeldPair& held : pairs_) RETURN_IF_ERROR(pkcs11::check_canary(held.pair));
  return ok();
}

}  // namespace countersign::holder
