// Commands whose failure opens an incident, where the operator configured incidents: one table.
#pragma once

#include "command/line/command.h"
#include "common/result.h"

namespace countersign::command {

// After a command ended with `exit_code`. Tells on stderr what was opened, or why it could not be; never changes what
// the command answered.
void open_incident_of(const Command& command, Call& call, const Arguments& arguments, int exit_code);

}  // namespace countersign::command
