// Who may approve, as one document with a digest: what custodians agree to in a ceremony.
#pragma once

#include <string>

#include "common/json.h"
#include "signer/config/config.h"

namespace countersign::config {

// [{"identity","ssh_key"?,"unix_uid"?,"scopes","max_ttl_seconds"?}] in the order of the configuration.
Json approver_roster(const Config& config);
// Hex SHA-256 of its canonical form.
std::string approver_roster_digest(const Config& config);

}  // namespace countersign::config
