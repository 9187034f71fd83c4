// What the rules of a policy decide about one intent, or one step of a script (reference: gait-formats §7 step 5).
#pragma once

#include "gate/evaluate.h"

namespace countersign::gate {

// Every matching rule of the best priority is judged and the strictest effect wins; the default verdict where none
// matches.
Decision decide_by_rules(const Policy& policy, const JudgedIntent& judged, UtcTime now);

}  // namespace countersign::gate
