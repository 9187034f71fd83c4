// gait's lock: a file that exists while somebody writes.
#pragma once

#include <chrono>
#include <string>

#include "common/result.h"

namespace countersign::command {

struct LockPatience {
  std::chrono::milliseconds wait{3000};  // for another writer
  std::chrono::milliseconds poll{20};
  std::chrono::seconds stale{15};  // a lock older than this was left behind by a process that died
};

// Holds `path` until it goes out of scope.
class LockFile {
 public:
  // Fails with Internal, reason lock_contention, where somebody else holds it for too long, and where it cannot be
  // made. Makes missing folders (0750). Never follows a symbolic link.
  static Result<LockFile> take(const std::string& path, const LockPatience& patience);
  LockFile(LockFile&& other) noexcept;
  LockFile(const LockFile&) = delete;
  LockFile& operator=(const LockFile&) = delete;
  LockFile& operator=(LockFile&&) = delete;
  ~LockFile();

 private:
  explicit LockFile(std::string path) : path_(std::move(path)) {}
  std::string path_;  // empty: moved from
};

}  // namespace countersign::command
