// One process at a time: a lock that ends with the process, however it ends.
#pragma once

#include <string>
#include <utility>

#include "common/result.h"

namespace countersign::ledger {

class LockFile {
 public:
  // Fails with Unavailable, reason "ledger_in_use", if another process holds it.
  static Result<LockFile> take(const std::string& path);
  LockFile(LockFile&& other) noexcept : descriptor_(std::exchange(other.descriptor_, -1)) {}
  LockFile& operator=(LockFile&&) = delete;
  ~LockFile();

 private:
  explicit LockFile(int descriptor) : descriptor_(descriptor) {}
  int descriptor_;
};

}  // namespace countersign::ledger
