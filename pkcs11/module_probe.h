// Measures a module: which of the attribute profile's templates it takes, and whether it holds to what attributes say.
// Everything is tried on keys made for it, which are destroyed; those that an interrupted probe left are removed first.
#pragma once

#include "common/clock.h"
#include "common/result.h"
#include "pkcs11/module_profile.h"
#include "pkcs11/token_session.h"

namespace countersign::pkcs11 {

inline constexpr std::string_view kProbePrefix = "countersign-probe-";  // labels of the keys it makes

struct ProbeWishes {
  // Also how many wrong PINs lock the token. That locks it: only a token that holds nothing is asked this.
  bool pin_lockout = false;
};

// Destroys what a probe left on the token: one that was interrupted, or one whose module would not destroy its trial
// keys before its process ended (the measurement trial_keys_destroyed). How many; fails as C_DestroyObject does.
Result<int> remove_trial_keys(const TokenSession& session);

// Needs a ReadWrite session that nothing else in this process uses; it is logged out afterwards. A module on which no
// key can be made has a profile too, of trust "unusable". Fails where the token goes away meanwhile.
Result<ModuleProfile> measure(const TokenSession& session, const TokenPlace& place, const ProbeWishes& wishes,
                              UtcTime now);

}  // namespace countersign::pkcs11
