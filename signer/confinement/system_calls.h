// The seccomp filter of a kind of process.
#pragma once

#include "signer/confinement/confinement.h"
#include "signer/confinement/profile.h"

namespace countersign::confinement {

// Loads the filter for this thread and all it starts; a call outside it kills the whole process (SIGSYS).
Measure enter_system_call_filter(const Profile& profile, Reach reach);

}  // namespace countersign::confinement
