// The commands of this room, for the table in command/command_table.cc.
#pragma once

#include "command/line/command.h"

namespace countersign::command {

Command release_sign_command();
Command release_verify_command();

}  // namespace countersign::command
