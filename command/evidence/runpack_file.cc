#include "command/evidence/runpack_file.h"

#include <unistd.h>

#include <cstdlib>
#include <vector>

#include "common/durable_file.h"
#include "common/text.h"

namespace countersign::command {
namespace {

std::vector<std::string> places_of(const std::string& run) {
  if (run.find('/') != std::string::npos || run.ends_with(".zip")) return {run};
  const std::string name = "runpack_" + run + ".zip";
  std::vector<std::string> places = {std::string(kPackFolder) + "/" + name};
  if (const char* home = std::getenv("HOME"); home != nullptr && *home != '\0') {
    places.push_back(std::string(home) + "/.gait/runpacks/" + name);
  }
  return places;
}

}  // namespace

Result<std::string> read_archive(const std::string& what, const std::string& path) {
  Result<std::string> bytes = read_file(path, packs::kLargestArchive);
  if (!bytes) return Error{ErrorCode::Invalid, "open " + what + ": " + bytes.error().detail, bytes.error().reason};
  return bytes;
}

Result<RunpackFile> read_runpack(const std::string& run) {
  for (const std::string& path : places_of(run)) {
    if (::access(path.c_str(), F_OK) != 0) continue;
    ASSIGN_OR_RETURN(const std::string bytes, read_archive("runpack", path));
    Result<packs::Runpack> runpack = packs::Runpack::parse(bytes);
    if (!runpack) {
      return Error{ErrorCode::VerificationFailed, path + ": " + runpack.error().detail, runpack.error().wire_code()};
    }
    return RunpackFile{path, *std::move(runpack)};
  }
  return Error{ErrorCode::Invalid, "runpack not found for run_id: " + run, "runpack_not_found",
               "name the run of a runpack in " + std::string(kPackFolder) + ", or the path of one"};
}

}  // namespace countersign::command
