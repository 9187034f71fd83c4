// The commands of this room, for the table in command/command_table.cc.
#pragma once

#include "command/line/command.h"

namespace countersign::command {

Command keys_list_command();
Command keys_show_command();
Command keys_export_command();
Command keys_halt_command();
Command keys_publish_command();
Command keys_sync_command();
Command keys_ack_command();
Command keys_activate_command();
Command keys_init_command();
Command keys_rotate_command();
Command keys_verify_command();

}  // namespace countersign::command
