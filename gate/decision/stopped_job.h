// A call of a job that was stopped (gait's mcp proxy).
#pragma once

#include <string_view>

#include "gate/decision/evaluate.h"

namespace countersign::gate {

// The decision as a block, whatever was decided: `reason` is added, and the violation emergency_stop_active. Nothing is
// approved of it.
Decision of_stopped_job(Decision decision, std::string_view reason);

}  // namespace countersign::gate
