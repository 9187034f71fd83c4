// Whether a module holds to what a key's attributes say: one trial each.
#pragma once

#include <memory>
#include <vector>

#include "pkcs11/module_profile.h"

namespace countersign::pkcs11 {

// Precondition: keys of that kind are made with that adaptation.
std::vector<Measurement> attribute_measurements(const std::shared_ptr<Session>& session, KeyKind kind,
                                                const Adaptation& adaptation);

}  // namespace countersign::pkcs11
