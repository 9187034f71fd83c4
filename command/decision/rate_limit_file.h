// The file in which rate limits are counted (reference: gait-formats §14), shared with gait: one writer at a time,
// by gait's lock file; replaced whole; never through a symbolic link.
#pragma once

#include <functional>
#include <string>

#include "command/line/lock_file.h"
#include "common/clock.h"
#include "common/json.h"
#include "common/result.h"
#include "gate/state/rate_limit.h"

namespace countersign::command {

inline constexpr std::string_view kDefaultRateLimitState = ".gait-out/gate_rate_limits.json";

// Whether a state that was read may be believed: its path and text.
using StateCheck = std::function<Status(const std::string& path, const std::string& text)>;

struct RateLimitChange {
  StateCheck check;                                   // empty: any state is
  std::function<void(gate::RateState& state)> count;  // between reading and writing
  std::function<Status(Json& document)> seal;         // vouches for what is written; empty: nobody does
};

// The state at `path`; a missing file is an empty one. Fails with Invalid for what cannot be read or is none, a
// symbolic link included, and as `check` does.
Result<gate::RateState> read_rate_limits(const std::string& path, const StateCheck& check);

// Reads the state at `path`, counts, and writes it. Fails as read_rate_limits, as `seal` does, and with Internal,
// reason lock_contention, where another writer holds the lock for too long. Nothing is written where anything fails.
Status change_rate_limits(const std::string& path, UtcTime now, const RateLimitChange& change,
                          const LockPatience& patience = {});

}  // namespace countersign::command
