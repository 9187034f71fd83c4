// Another program, run to its end: by argument vector, never through a shell.
#pragma once

#include <atomic>
#include <chrono>
#include <string>
#include <string_view>
#include <vector>

#include "common/result.h"

namespace countersign::process {

struct Finished {
  int exit_code = 0;     // 128 + number where a signal ended it
  std::string output;    // its stdout
  std::string errors{};  // its stderr, of a confined program only
};

// Runs argv[0], found along PATH, with `input` on stdin; its stderr is ours, so that it can ask its user for a
// passphrase or a touch. Fails with Unavailable where it cannot be started, with TooLarge beyond 1 MiB of output.
Result<Finished> run_program(const std::vector<std::string>& argv, std::string_view input);

// A program that is not trusted: bounded, and alone with what it is given.
struct Confinement {
  std::vector<std::string> environment;  // "NAME=value", all of it
  std::chrono::milliseconds time{};
  std::size_t output = 0;                          // most bytes on stdout and stderr together
  const std::atomic<bool>* interrupted = nullptr;  // ends it soon where it becomes true; outlives the run
};

// Runs argv[0] as given (no search along PATH) in a
// process group of its own, which is killed when it is over: nothing it started outlives it. Fails as above, with
// TooLarge beyond `output`, and with Unavailable, reason program_timeout, beyond `time`,
// or program_interrupted.
Result<Finished> run_confined(const std::vector<std::string>& argv, std::string_view input,
                              const Confinement& confinement);

}  // namespace countersign::process
