// What the broker reads of approval tokens and of the gate's word on them; for the sources of BrokerService alone.
#pragma once

#include <cstdint>
#include <vector>

#include "common/json.h"

namespace countersign::command {

// Whether one of `tokens` is by the person who gave `token`, however they are spelt.
bool has_approved(const std::vector<Json>& tokens, const Json& token);

// How many approvals the gate counted; 0 where it says nothing of them.
std::int64_t valid_approvals(const Json& decision);

}  // namespace countersign::command
