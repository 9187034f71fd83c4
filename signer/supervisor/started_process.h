// A child started by fork + exec, holding exactly the descriptors it was given. Nothing in this process has a thread or
// an initialised library when it forks (process-start rule 1).
#pragma once

#include <sys/types.h>

#include <string>
#include <utility>
#include <vector>

#include "common/result.h"

namespace countersign::supervisor {

struct Program {
  std::vector<std::string> argv;         // argv[0] is the path
  std::vector<std::string> environment;  // "NAME=value", and nothing else
  // Which of our descriptors stand where in the child (3 and up, in order). 0 is /dev/null, 1 and 2 are ours; all
  // others are closed.
  std::vector<int> descriptors;
  // Sent by the kernel when we die. A holder gets SIGTERM, which it blocks while a kill could cost it its token; front
  // and notifier get SIGKILL.
  int parent_death_signal = 0;
  int output = -1;  // stands as standard output, where given
};

// The child runs in a session of its own, so that Ctrl-C on a terminal reaches the supervisor alone. Fails with
// Unavailable where fork fails; a program that cannot be executed ends with status 127.
Result<pid_t> start(const Program& program);

// A pair of connected Unix sockets, both close-on-exec. Fails with Unavailable.
Result<std::pair<int, int>> socket_pair(int type);

// Closes and forgets a descriptor.
void close_descriptor(int& descriptor);

}  // namespace countersign::supervisor
