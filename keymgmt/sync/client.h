// A verifier's way to the published keys: the client workflow of the TUF specification 1.0, §5.3 to §5.7, over our
// repository. Time is fixed at the start; each step is durable before the next; what is refused is refused by the name
// of the attack that it would be.
#pragma once

#include <string>

#include "common/clock.h"
#include "common/result.h"
#include "keymgmt/key_set.h"
#include "keymgmt/sync/source.h"
#include "keymgmt/sync/trust_store.h"

namespace countersign::sync {

struct Synced {
  keymgmt::KeySet keys;  // what verifiers may believe now: signed by custodians, less what was revoked, with its expiry
  std::uint64_t root_version = 0;
  std::uint64_t targets_version = 0;
  std::uint64_t timestamp_version = 0;
  bool trial = false;
};

// Brings `store` up to date from `source`. `pinned_root` is the root metadata that came with the verifier (any
// version); used where the store has none, so that a lost state falls back to it and to nothing less. On success the
// key files (keyset.json, jwks.json, allowed_signers, …) of the set that is left lie in the store's directory. Fails
// with VerificationFailed, reason "wrong_root", "rollback_attack", "freeze_attack", "mix_and_match_attack",
// "arbitrary_software", "under_signed", "key_dropped", "key_added" (revoked.json tries to do more than take away);
// with TooLarge "endless_data_attack"; with NotFound "root_missing" where there is no root to begin with; and as
// Source::fetch. The store then holds what it held, or the steps that were good.
Result<Synced> refresh(const TrustStore& store, Source& source, const std::string& pinned_root, UtcTime now);

}  // namespace countersign::sync
