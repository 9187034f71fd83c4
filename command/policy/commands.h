// The commands of this room, for the table in command/command_table.cc.
#pragma once

#include "command/line/command.h"

namespace countersign::command {

Command policy_init_command();
Command policy_validate_command();
Command policy_fmt_command();
Command policy_test_command();
Command policy_simulate_command();

}  // namespace countersign::command
