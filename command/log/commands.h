// The commands of this room, for the table in command/command_table.cc.
#pragma once

#include "command/line/command.h"

namespace countersign::command {

Command ledger_verify_command();
Command ledger_backup_command();
Command ledger_restore_command();
Command log_show_command();
Command log_verify_command();
Command log_prove_command();
Command log_archive_command();
Command log_fsck_command();
Command log_export_command();
Command log_follow_command();

}  // namespace countersign::command
