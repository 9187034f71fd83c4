// A broker's answer in the form of a cloud or vault, which says who it is by `provider` (reference: gait-formats §10).
#pragma once

#include "gate/document/gait_fields.h"
#include "gate/evidence/credential.h"

namespace countersign::gate {

// Reads what the form of the receipt's provider adds: who issued it, that it was issued just in time, and the reference
// that its own members name. Leaves the receipt alone where it names no provider that gait knows. What is wrong, also
// a value that looks like a credential itself, sticks in `error`, which is the fields'.
void read_provider(GaitFields& fields, FirstError& error, CredentialReceipt& receipt);

}  // namespace countersign::gate
