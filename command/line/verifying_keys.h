// The keys a verifier trusts: one public key from a file, a synced key set, or what the signer publishes.
#pragma once

#include <optional>
#include <string>

#include "command/line/arguments.h"
#include "command/line/signer_address.h"
#include "common/result.h"
#include "keymgmt/key_set.h"
#include "keymgmt/role.h"

namespace countersign::command {

inline constexpr Flag kTrustFlag = {"trust", Flag::Kind::Text, "DIR",
                                    "a synced publication directory: its keyset.json"};

// The flags of a command that verifies, and of nothing else.
inline constexpr Flag kVerifyingFlags[] = {
    {"public-key", Flag::Kind::Text, "FILE", "the only key to believe: gait's base64 line, or PEM"},
    {"public-key-env", Flag::Kind::Text, "NAME", "the same, from an environment variable"},
    kTrustFlag,
    kSignerFlag,
};

// keyset.json of --trust DIR; nothing where it is not given. Fails as reading does, and with VerificationFailed
// (trust_expired).
Result<std::optional<keymgmt::KeySet>> trusted_keys(const Arguments& arguments);

// --public-key[-env] (gait's base64 line, or PEM) or the public half of --private-key[-env], --trust DIR (its
// keyset.json), else the signer. A single key counts for `role` at every moment. Fails with Invalid where two of these
// are given, and with gait's "public key not configured" where none is and no signer listens at the default place; with
// Unavailable where a named signer cannot be reached.
Result<keymgmt::KeySet> verifying_keys(const Arguments& arguments, keymgmt::Role role);

}  // namespace countersign::command
