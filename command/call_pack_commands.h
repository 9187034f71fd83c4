// The commands about call packs, for the table of all (command_table.cc).
#pragma once

#include "command/command.h"

namespace countersign::command {

Command voice_pack_build_command();
Command voice_pack_verify_command();
Command voice_pack_inspect_command();
Command voice_pack_diff_command();

}  // namespace countersign::command
