// Options that are checked and kept, but that this version does nothing about.
#include "signer/config/config.h"

namespace countersign::config {

std::vector<Finding> not_acted_on(const Config& config) {
  std::vector<Finding> found;
  const auto note = [&found](std::string path, std::string message, std::string hint) {
    found.push_back(Finding{false, std::move(path), std::move(message), std::move(hint)});
  };
  if (!config.publication_roster.empty()) {
    note("publication.roster",
         "is recorded, but this version waits for no verifier's acknowledgement before a key changes",
         "make sure yourself that each verifier has the new key set");
  }
  return found;
}

}  // namespace countersign::config
