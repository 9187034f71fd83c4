// Every command of the program, in the order of `countersign help`.
#pragma once

#include <span>

#include "command/line/command.h"

namespace countersign::command {

std::span<const Command> all_commands();

}  // namespace countersign::command
