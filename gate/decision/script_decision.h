// What a policy decides about a script: every step as an intent of its own, then the script's own limits (reference:
// gait-formats §12).
#pragma once

#include "gate/decision/evaluate.h"

namespace countersign::gate {

// "low", "medium" or "high": the highest of the steps. Precondition: the intent is a script.
std::string composite_risk_of(const Intent& script);

// The strictest verdict of the steps, everything else united. Precondition: the intent is a script.
// `inventory`, where there is one, tells each step what is known of its tool.
Decision decide_script(const Policy& policy, const JudgedIntent& judged, const ToolInventory* inventory, UtcTime now);

}  // namespace countersign::gate
