// The commands of this room, for the table in command/command_table.cc.
#pragma once

#include "command/line/command.h"

namespace countersign::command {

Command approve_command();
Command approve_inspect_command();
Command approve_revoke_command();
Command approve_script_command();
Command delegate_mint_command();
Command delegate_verify_command();
Command requests_list_command();
Command requests_show_command();

}  // namespace countersign::command
