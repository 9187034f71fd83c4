// The state directory: the front's, and nobody else enters it.
#pragma once

#include "common/result.h"
#include "signer/config/config.h"

namespace countersign::config {

// Makes it where it is missing, 0700, the front's own. Fails with Unavailable.
Status make_state(const Config& config);

}  // namespace countersign::config
