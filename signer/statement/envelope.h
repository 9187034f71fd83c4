// The signature envelope of gait's documents: {alg, key_id, sig, signed_digest} (gait-formats §4).
#pragma once

#include <string_view>

#include "common/digest.h"
#include "common/json.h"
#include "common/json_tree.h"
#include "common/result.h"
#include "keymgmt/public_key.h"

namespace countersign::statement {

// "ed25519", which gait knows, and "ecdsa-p256-sha256", which is ours. A verifier compares it with the key's own
// algorithm and never chooses by it.
std::string_view envelope_algorithm(keymgmt::Algorithm algorithm);

// `signature` as the token made it: Ed25519 64 bytes, P-256 r||s. Fails with Invalid on another length.
Result<Json> sealed_envelope(const keymgmt::PublicKey& key, ByteView signature, const Digest& signed_digest);
// The same as a node of `tree`.
Result<JsonNode*> sealed_envelope(const JsonTree& tree, const keymgmt::PublicKey& key, ByteView signature,
                                  const Digest& signed_digest);

// Checks `alg`, `key_id` and `sig` against `key` over the 32 bytes of `digest`. Fails with VerificationFailed, reason
// signature_invalid.
Status verify_envelope(const Json& envelope, const keymgmt::PublicKey& key, const Digest& digest);

}  // namespace countersign::statement
