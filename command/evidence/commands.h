// The commands of this room, for the table in command/command_table.cc.
#pragma once

#include "command/line/command.h"

namespace countersign::command {

Command trace_verify_command();
Command trace_triage_command();
Command demo_command();
Command verify_command();
Command verify_chain_command();
Command guard_pack_command();
Command guard_verify_command();
Command pack_verify_command();
Command incident_open_command();

}  // namespace countersign::command
