// The commands of this room, for the table in command/command_table.cc.
#pragma once

#include "command/line/command.h"

namespace countersign::command {

Command status_command();
Command doctor_command();
Command config_check_command();
Command bench_budgets_command();
Command version_command();

}  // namespace countersign::command
