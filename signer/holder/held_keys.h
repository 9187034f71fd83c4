// The keys of one role on one token: found by label, read back by id, proven by a canary. Nothing here knows other
// roles' keys on the same token.
#pragma once

#include <string_view>
#include <vector>

#include "common/result.h"
#include "keymgmt/public_key.h"
#include "keymgmt/role.h"
#include "pkcs11/token_session.h"
#include "signer/channel/holder_setup.h"

namespace countersign::holder {

struct HeldPair {
  channel::HeldKey described;  // with the public half
  pkcs11::KeyPair pair;        // signs
};

// The name in keymgmt/ for a token's kind of key, and back.
keymgmt::Algorithm algorithm_of(pkcs11::KeyKind kind);
pkcs11::KeyKind kind_of(keymgmt::Algorithm algorithm);

// One pair as its holder describes it. Fails with Invalid where its public half is no point of the curve.
Result<HeldPair> held_pair(keymgmt::Role role, pkcs11::KeyPair pair);

class HeldKeys {
 public:
  // All keys labelled "<role>-…" of the algorithms given, each with attributes as strong as the profile and a
  // canary that verified. Fails with
  // NotFound (no_key) where an algorithm has none, with Refused (key_too_weak, key_ambiguous, key_mismatch).
  static Result<HeldKeys> find(const pkcs11::TokenSession& session, keymgmt::Role role,
                               const std::vector<keymgmt::Algorithm>& algorithms);

  const std::vector<HeldPair>& pairs() const { return pairs_; }
  const HeldPair* with_kid(std::string_view kid) const;  // null where this holder has no such key

  // Signs a fresh text with each key and verifies it with OpenSSL. Fails with the token's error, or with
  // Refused (key_mismatch).
  Status check_canaries() const;

 private:
  std::vector<HeldPair> pairs_;
};

}  // namespace countersign::holder
