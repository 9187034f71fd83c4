// One call of the program, from its words to its exit code.
#pragma once

#include <string>
#include <vector>

#include "command/line/console.h"

namespace countersign::command {

// Finds the command, reads its flags, acts, and returns the exit code of the process.
int dispatch(std::vector<std::string> argv, Console& console);

}  // namespace countersign::command
