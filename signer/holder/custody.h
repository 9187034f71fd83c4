// countersign-holder custody: what a ceremony does on a token (channel/holder_custody.h).
#pragma once

#include "common/json.h"
#include "common/result.h"
#include "common/secret_bytes.h"
#include "signer/channel/holder_custody.h"

namespace countersign::holder {

// Fails as profile_of and pkcs11/ do; with Conflict (key_there_already) where a key has the id or the label that is to
// be made and nobody has begun to make it.
Result<Json> custody(const channel::CustodyRequest& request, SecretBytes pin);

}  // namespace countersign::holder
