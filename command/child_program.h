// Another program, run to its end: by argument vector, never through a shell.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "common/result.h"

namespace countersign::command {

struct Finished {
  int exit_code = 0;   // 128 + number where a signal ended it
  std::string output;  // its stdout, at most 1 MiB
};

// Runs argv[0], found along PATH, with `input` on stdin; its stderr is ours, so that it can ask its user for a
// passphrase or a touch. Fails with Unavailable where it cannot be started, with TooLarge where it says too much.
Result<Finished> run_program(const std::vector<std::string>& argv, std::string_view input);

// The file that execvp would start for `name`. Fails with NotFound.
Result<std::string> program_path(const std::string& name);

}  // namespace countersign::command
