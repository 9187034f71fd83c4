// One supervisor for a state directory.
#pragma once

#include <sys/types.h>

#include <string>

#include "common/locked_file.h"
#include "common/result.h"

namespace countersign::supervisor {

// Held while this lives; the kernel lets go when the process ends, however it ends.
class StateLock {
 public:
  // `state` must be a directory of `owner` that nobody else can enter. Fails with NotFound where it is missing, with
  // Refused where others can enter it, with Conflict (reason "already_running", naming the process) where another
  // supervisor holds it.
  static Result<StateLock> take(const std::string& state, uid_t owner);

 private:
  explicit StateLock(LockedFile file) : file_(std::move(file)) {}
  LockedFile file_;
};

}  // namespace countersign::supervisor
