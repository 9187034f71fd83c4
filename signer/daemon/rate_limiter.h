// The limiter of every HTTP service of ours, under the daemon's name.
#pragma once

#include "signer/transport/rate_limiter.h"

namespace countersign::daemon {

using transport::RateLimiter;

}  // namespace countersign::daemon
