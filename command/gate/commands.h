// The commands of this room, for the table in command/command_table.cc.
#pragma once

#include "command/line/command.h"

namespace countersign::command {

Command gate_eval_command();
Command gate_explain_command();
Command attest_command();
Command kill_switch_add_command();
Command kill_switch_list_command();
Command kill_switch_disable_command();
Command kill_switch_expire_command();
Command run_command();
Command permit_command();
Command gate_serve_command();

}  // namespace countersign::command
