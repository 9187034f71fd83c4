// Which attributes of the profile's templates a module takes: all of them, or all but those it was seen to refuse.
#pragma once

#include <memory>

#include "common/result.h"
#include "pkcs11/adaptation.h"
#include "pkcs11/key_pair.h"

namespace countersign::pkcs11 {

// Fails as C_GenerateKeyPair does where no template of ours makes a key of that kind.
Result<Adaptation> fitted_adaptation(const std::shared_ptr<Session>& session, KeyKind kind);

// Both together, for a module that makes both kinds.
Adaptation merged(Adaptation one, const Adaptation& other);

}  // namespace countersign::pkcs11
