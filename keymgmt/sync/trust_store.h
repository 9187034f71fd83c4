// What a verifier knows already, durably: the newest metadata it trusted, and everything it was ever told to take away.
// `<dir>/metadata/{root,timestamp,snapshot,targets,revoked}.json` and `<dir>/metadata/taken.json`; beside it the key
// files that commands and other tools use.
#pragma once

#include <optional>
#include <string>

#include "common/result.h"

namespace countersign::sync {

class TrustStore {
 public:
  explicit TrustStore(std::string directory) : directory_(std::move(directory)) {}

  const std::string& directory() const { return directory_; }
  // Nothing where it was never stored. Fails with Unavailable where it cannot be read.
  Result<std::optional<std::string>> read(const std::string& name) const;
  Status write(const std::string& name, const std::string& text) const;
  Status forget(const std::string& name) const;

 private:
  std::string directory_;
};

}  // namespace countersign::sync
