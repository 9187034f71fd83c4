// A folder of our own, gone with everything in it at the end.
#pragma once

#include <string>

#include "common/result.h"

namespace countersign {

class TemporaryFolder {
 public:
  // PARENT/.scratch-XXXXXX, mode 0700. Fails with Unavailable, reason "folder_unwritable".
  static Result<TemporaryFolder> make(const std::string& parent);
  TemporaryFolder(TemporaryFolder&& other) noexcept;
  TemporaryFolder& operator=(TemporaryFolder&&) = delete;
  ~TemporaryFolder();

  const std::string& path() const { return path_; }
  std::string operator/(const std::string& name) const { return path_ + "/" + name; }

 private:
  explicit TemporaryFolder(std::string path) : path_(std::move(path)) {}
  std::string path_;
};

}  // namespace countersign
