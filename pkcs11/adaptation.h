// How the templates of a module depart from the attribute profile (key_profile.h), as its probe measured: opencryptoki
// refuses every attribute it does not know, tpm2-pkcs11 refuses CKA_DECRYPT=false and keys of the session alone,
// SoftHSM needs the former.
#pragma once

#include <p11-kit/pkcs11.h>

#include <vector>

namespace countersign::pkcs11 {

// One attribute of a key that generation does not ask for.
struct Departure {
  bool private_half = true;
  CK_ATTRIBUTE_TYPE type = 0;
  // Whether it reads back as the profile demands although nobody asked for it. Where it does not, reading back passes
  // over it, and the module cannot have the trust level "binding".
  bool holds = false;
};

struct Adaptation {
  std::vector<Departure> departures;
  // CKA_KEY_GEN_MECHANISM and the like, which the module alone sets and this one does not know.
  std::vector<CK_ATTRIBUTE_TYPE> unknown_history;
  // Of the probe alone, no part of a profile: the module makes keys that end with their session. Where it does not,
  // trial keys are objects of the token, destroyed after each trial.
  bool session_keys = true;

  const Departure* find(bool private_half, CK_ATTRIBUTE_TYPE type) const {
    for (const Departure& departure : departures) {
      if (departure.private_half == private_half && departure.type == type) return &departure;
    }
    return nullptr;
  }
  bool passes_over(bool private_half, CK_ATTRIBUTE_TYPE type) const {
    const Departure* departure = find(private_half, type);
    if (departure != nullptr) return !departure->holds;
    for (const CK_ATTRIBUTE_TYPE unknown : unknown_history) {
      if (unknown == type) return true;
    }
    return false;
  }
};

}  // namespace countersign::pkcs11
