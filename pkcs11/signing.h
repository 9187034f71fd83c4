// One signature by a private key on a token, whatever is known of the key besides.
#pragma once

#include <p11-kit/pkcs11.h>

#include <functional>

#include "common/bytes.h"
#include "common/result.h"
#include "pkcs11/key_pair.h"

namespace countersign::pkcs11 {

// C_SignInit as the module has it. A leak check looks away during the call and no longer: SoftHSM 2.6.1 loses about 70
// bytes each time with an Ed25519 key (docs/softhsm.md, "Memory").
CK_RV begin_signing(const Session& session, CK_MECHANISM& mechanism, CK_OBJECT_HANDLE private_key);

// Ed25519: 64 bytes over the message. P256: r||s, 64 bytes, over our SHA-256 of the message. The message may be empty.
// `before_signing` runs between the two calls, for keys that want a login for each signature. A failed call never
// leaves the session stuck. Fails with Unavailable: reason token_gone means that only a new process helps.
Result<Bytes> sign_on_token(Session& session, KeyKind kind, CK_OBJECT_HANDLE private_key, ByteView message,
                            const std::function<Status()>& before_signing = nullptr);

}  // namespace countersign::pkcs11
