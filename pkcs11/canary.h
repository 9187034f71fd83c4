// The proof that a private key in a token belongs to the public key beside it.
#pragma once

#include "common/result.h"
#include "pkcs11/key_pair.h"

namespace countersign::pkcs11 {

// Signs a random text that can be no statement of ours ("countersign canary" and 32 random bytes) and verifies it with
// OpenSSL. Fails with the error of the signature, or with Refused (key_mismatch).
Status check_canary(const KeyPair& key);

inline constexpr std::string_view kKeyMismatch = "key_mismatch";

}  // namespace countersign::pkcs11
