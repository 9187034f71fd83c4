// A file locked by this process alone (flock(2)) for as long as this lives: the kernel lets go when the process ends,
// however it ends. The file is made where it is missing and never removed.
#pragma once

#include <sys/types.h>

#include <string>
#include <utility>

#include "common/result.h"

namespace countersign {

class LockedFile {
 public:
  enum class Wait { No, Yes };

  // `access` is O_RDONLY or O_RDWR; reading is enough to lock. Fails with Unavailable; with Conflict, reason "locked",
  // where another process holds it and we do not wait.
  static Result<LockedFile> open(const std::string& path, int access, mode_t mode, Wait wait);
  LockedFile(LockedFile&& other) noexcept : descriptor_(std::exchange(other.descriptor_, -1)) {}
  LockedFile& operator=(LockedFile&&) = delete;
  LockedFile(const LockedFile&) = delete;
  LockedFile& operator=(const LockedFile&) = delete;
  ~LockedFile();

  int descriptor() const { return descriptor_; }

 private:
  explicit LockedFile(int descriptor) : descriptor_(descriptor) {}
  int descriptor_;
};

}  // namespace countersign
