// Where a verifier fetches published files from: a directory, or (command/line/http_source.h) an HTTP server.
#pragma once

#include <string>

#include "common/result.h"

namespace countersign::sync {

class Source {
 public:
  virtual ~Source() = default;
  // The file's bytes. Fails with NotFound where there is none, with TooLarge (reason "endless_data_attack") beyond
  // `limit`, with Unavailable otherwise.
  virtual Result<std::string> fetch(const std::string& path, std::size_t limit) = 0;
};

class DirectorySource : public Source {
 public:
  explicit DirectorySource(std::string directory) : directory_(std::move(directory)) {}
  Result<std::string> fetch(const std::string& path, std::size_t limit) override;

 private:
  std::string directory_;
};

}  // namespace countersign::sync
