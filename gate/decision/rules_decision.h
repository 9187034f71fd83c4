// What the rules of a policy decide about one intent, or one step of a script (reference: gait-formats §7 step 5).
#pragma once

#include "gate/decision/evaluate.h"

namespace countersign::gate {

// The matching rules of the best priority, in the policy's order.
std::vector<const Rule*> rules_for(const Policy& policy, const Intent& intent);

// Each of them is judged and the strictest effect wins; the default verdict where none
// matches.
Decision decide_by_rules(const Policy& policy, const JudgedIntent& judged, UtcTime now);

}  // namespace countersign::gate
