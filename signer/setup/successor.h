// `countersignd stage`: makes the key that will follow a role's active one, or stand by, while the appliance runs, and
// has it published. On SoftHSM, for trying out; elsewhere keys are made in a ceremony.
#pragma once

#include <string>

#include "common/json.h"
#include "common/result.h"
#include "signer/config/config.h"

namespace countersign::setup {

// One key for each algorithm of `role`, on `token` (empty: the role's own). A key that an interrupted call left on the
// token is staged instead of making another. Gives {"ok","token","staged":[{"kid","role","gate_opens"}]}. Fails with
// NotFound (unknown_role), Invalid (token of another role), Refused (ceremony_needed), and as holder and signer do.
Result<Json> stage_successor(const config::Config& config, const std::string& holder, const std::string& role,
                             const std::string& token);

}  // namespace countersign::setup
