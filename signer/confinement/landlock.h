// Landlock through raw system calls: glibc has no wrappers, and Debian 12 no library (kernel documentation,
// userspace-api/landlock). Needs ABI 2 (Linux 5.19), since the token guard renames across folders.
#pragma once

#include <string>
#include <vector>

#include "signer/confinement/confinement.h"
#include "signer/confinement/profile.h"

namespace countersign::confinement {

// Limits this process and its children to the files of `profile` and `needs`; for a process without `inet` also to no
// TCP at all and to signals and abstract sockets of its own, where the kernel's ABI knows these.
Measure enter_landlock(const Profile& profile, const Needs& needs);

}  // namespace countersign::confinement
