// The commands of this room, for the table in command/command_table.cc.
#pragma once

#include "command/line/command.h"

namespace countersign::command {

Command ceremony_plan_command();
Command ceremony_rehearse_command();
Command ceremony_run_command();
Command ceremony_resume_command();
Command ceremony_approve_command();
Command ceremony_verify_command();
Command ceremony_status_command();

}  // namespace countersign::command
