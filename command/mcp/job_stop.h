// Whether the job that a call belongs to may go on: what gait's job runtime keeps of it (gait's mcp proxy and serve).
#pragma once

#include <string>
#include <string_view>

#include "command/line/arguments.h"

namespace countersign::command {

inline constexpr Flag kJobRootFlag = {"job-root", Flag::Kind::Text, "DIR",
                                      "gait's jobs: a call whose job is stopped there, or not there, is blocked"};

struct JobStop {
  std::string reason;   // emergency_stop_preempted, emergency_stop_state_unavailable; empty where the job may go on
  std::string warning;  // why nothing is known of it
};

// Reads <root>/<job_id>/state.json. Nothing is stopped where no root or no job is named; what cannot be read, names
// another job or no job's id at all is stopped.
JobStop job_stop(std::string_view root, std::string_view job_id);

}  // namespace countersign::command
