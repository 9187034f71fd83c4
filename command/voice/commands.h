// The commands of this room, for the table in command/command_table.cc.
#pragma once

#include "command/line/command.h"

namespace countersign::command {

Command voice_token_mint_command();
Command voice_token_verify_command();
Command voice_pack_build_command();
Command voice_pack_verify_command();
Command voice_pack_inspect_command();
Command voice_pack_diff_command();

}  // namespace countersign::command
