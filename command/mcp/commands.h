// The commands of this room, for the table in command/command_table.cc.
#pragma once

#include "command/line/command.h"

namespace countersign::command {

Command mcp_proxy_command();
Command mcp_bridge_command();
Command mcp_verify_command();
Command mcp_serve_command();

}  // namespace countersign::command
