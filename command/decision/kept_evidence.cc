#include "command/decision/kept_evidence.h"

#include <unistd.h>

#include "common/digest.h"
#include "common/durable_file.h"

namespace countersign::command {
namespace {

constexpr std::size_t kMostBytes = std::size_t{1} << 20;
constexpr std::size_t kDigits = 12;
constexpr std::string_view kEnding = ".json";

}  // namespace

void keep_earlier(const std::string& path) {
  const Result<std::string> earlier = read_file(path, kMostBytes);
  if (!earlier) return;
  const std::string stem = path.substr(0, path.size() - (path.ends_with(kEnding) ? kEnding.size() : 0));
  const std::string kept = stem + "_" + sha256(*earlier).hex().substr(0, kDigits) + std::string(kEnding);
  // A link appears whole or not at all, and never replaces a file: the name says what it holds.
  [[maybe_unused]] const int linked = ::link(path.c_str(), kept.c_str());
}

}  // namespace countersign::command
