// A custodian's own root key on a token that is theirs: a PIV card, an HSM's smart card, a second SoftHSM. It was made
// by whatever tool the token has, so nothing is demanded of its attributes; what it signs is checked with the public
// half that the plan names.
#pragma once

#include <vector>

#include "common/bytes.h"
#include "common/result.h"
#include "common/secret_bytes.h"
#include "pkcs11/token_session.h"

namespace countersign::pkcs11 {

// One private key of the token; either may be empty, not both.
struct CustodianKeyName {
  Bytes id;           // CKA_ID, of any length
  std::string label;  // CKA_LABEL
};

// Signs each message. A key with CKA_ALWAYS_AUTHENTICATE (PIV's signature key) gets the PIN again for every signature.
// Fails with NotFound (no_key), with Refused (key_ambiguous), and as TokenSession::open and sign_on_token do.
Result<std::vector<Bytes>> sign_as_custodian(const TokenPlace& place, SecretBytes pin, KeyKind kind,
                                             const CustodianKeyName& name, const std::vector<Bytes>& messages);

}  // namespace countersign::pkcs11
