// How several answers about one intent become one: sets are united, the stricter limit and the worse finding stay.
#pragma once

#include <cstdint>
#include <optional>

#include "common/json.h"
#include "gate/policy/policy.h"

namespace countersign::gate {

void add_all(Texts& to, const Texts& from);
// Sorted, without repetitions.
void make_set(Texts& texts);

// The stricter of two limits as gait ranks them: fewer requests first, whatever their window; then the shorter window;
// then the scope, by bytes.
void keep_tighter(std::optional<RateRule>& kept, const std::optional<RateRule>& other);

// The least of two limits in seconds, of which 0 is none.
void keep_least(std::int64_t& kept, std::int64_t other);

// By status and effect: invalid, blocking, asking for approval, inactive.
void keep_worse_freeze(std::optional<Json>& kept, const std::optional<Json>& other);
// By status: missing, disallowed, invalid, valid.
void keep_worse_sandbox(std::optional<Json>& kept, const std::optional<Json>& other);

}  // namespace countersign::gate
