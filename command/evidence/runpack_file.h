// Where a run's pack lies (gait-formats §16.3).
#pragma once

#include <string>

#include "common/result.h"
#include "packs/runpack.h"

namespace countersign::command {

inline constexpr const char* kPackFolder = "gait-out";

struct RunpackFile {
  std::string path;
  packs::Runpack runpack;
};

// `run` is a path where it holds a slash or ends in .zip, else a run id: gait-out/runpack_<id>.zip, then
// ~/.gait/runpacks/runpack_<id>.zip. Fails with Invalid in gait's words, reason "runpack_not_found" where there is
// none; a runpack that cannot be read fails with VerificationFailed.
Result<RunpackFile> read_runpack(const std::string& run);

// A whole archive of at most packs::kLargestArchive bytes. Fails with Invalid, as gait does for what it cannot read.
Result<std::string> read_archive(const std::string& what, const std::string& path);

}  // namespace countersign::command
