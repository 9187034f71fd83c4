// The program that a command line starts.
#pragma once

#include <string>

#include "common/result.h"

namespace countersign {

// The file that execvp would start for `name`. Fails with NotFound.
Result<std::string> program_path(const std::string& name);

}  // namespace countersign
