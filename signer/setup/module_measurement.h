// `countersignd probe`: the token's module measured, and its profile kept for key generation and start-up.
#pragma once

#include <string>

#include "common/json.h"
#include "common/result.h"
#include "signer/config/config.h"

namespace countersign::setup {

// Gives the profile. The token must be there. Fails with NotFound (unknown_token), and as the holder does.
Result<Json> probe_module(const config::Config& config, const std::string& holder, const std::string& token,
                          bool pin_lockout);

}  // namespace countersign::setup
