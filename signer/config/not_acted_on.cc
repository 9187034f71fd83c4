// Options that are checked and kept, but that this version does nothing about.
#include "signer/config/config.h"

namespace countersign::config {

std::vector<Finding> not_acted_on(const Config& config) {
  std::vector<Finding> found;
  const auto note = [&found](std::string path, std::string message, std::string hint) {
    found.push_back(Finding{false, std::move(path), std::move(message), std::move(hint)});
  };
  for (const RoleConfig& role : config.roles) {
    const std::string path = "roles." + std::string(keymgmt::name_of(role.role)) + ".";
    if (role.rotate_every) {
      note(path + "rotate_every", "is recorded, but this version never rotates a key by itself",
           "keep a reminder of your own; docs/key-lifecycle.md says how a key is replaced");
    }
    if (!role.standby_token.empty()) {
      note(
          path + "standby_token",
          "is recorded, but this version keeps no standby key on it: when the role's token is lost, nothing takes over",
          "keep a backup of the role's token, and try its restore");
    }
  }
  if (!config.publication_roster.empty()) {
    note("publication.roster",
         "is recorded, but this version waits for no verifier's acknowledgement before a key changes",
         "make sure yourself that each verifier has the new key set");
  }
  return found;
}

}  // namespace countersign::config
