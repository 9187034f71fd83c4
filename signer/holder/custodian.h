// countersign-holder custodian: a person's root key on their own token signs (channel/custodian_signing.h). It is the
// only command here that is about no key of the appliance.
#pragma once

#include "common/json.h"
#include "common/result.h"
#include "common/secret_bytes.h"
#include "signer/channel/custodian_signing.h"

namespace countersign::holder {

// Fails as pkcs11::sign_as_custodian does.
Result<Json> custodian(const channel::CustodianSigning& request, SecretBytes pin);

}  // namespace countersign::holder
