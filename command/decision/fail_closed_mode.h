// Whether what cannot be read stops a call, or only warns (reference: gait-formats §7 step 0).
#pragma once

#include "command/line/arguments.h"
#include "gate/intent/intent.h"

namespace countersign::command {

// The profile oss-prod, and intents of risk high or critical.
inline bool fails_closed(const Arguments& arguments, const gate::Intent& intent) {
  const std::string& risk = intent.context().risk_class;
  return arguments.text("profile") == "oss-prod" || risk == "high" || risk == "critical";
}

}  // namespace countersign::command
