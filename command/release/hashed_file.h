// A file as it was while it was read: digest and size, however large.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "common/digest.h"
#include "common/result.h"

namespace countersign::command {

struct HashedFile {
  Digest sha256;
  std::uint64_t size = 0;
};

// Reads once, 1 MiB at a time. Fails with Invalid where it cannot be read or is no regular file; with Conflict, reason
// "artifact_changed", where it was written, replaced or cut meanwhile. `progress`: bytes so far, of how many; at most
// once every 64 MiB.
Result<HashedFile> hash_file(const std::string& path,
                             const std::function<void(std::uint64_t, std::uint64_t)>& progress = {});

}  // namespace countersign::command
