// A child started by fork + exec, holding exactly the descriptors it was given. Between the two nothing is called that
// a thread or a library could have left locked.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/result.h"
#include "signer/process/process_user.h"

namespace countersign::process {

// For the programs of the system that a child may run: where they are, and that they speak English.
inline constexpr const char* kPath = "PATH=/usr/sbin:/usr/bin:/sbin:/bin";
inline constexpr const char* kLanguage = "LANG=C.UTF-8";

struct Program {
  std::vector<std::string> argv;         // argv[0] is the path
  std::string title;                     // what ps(1) shows in its place; empty: the path
  std::vector<std::string> environment;  // "NAME=value", and nothing else
  std::vector<int> descriptors;          // stand as 3, 4, … in the child; all others but 0 to 2 are closed
  int input = -1;                        // standard input; -1: /dev/null
  int output = -1;                       // standard output; -1: ours
  int error = -1;                        // standard error; -1: ours
  // Sent by the kernel when the thread that started it ends (prctl(2), PR_SET_PDEATHSIG); 0: none.
  int parent_death_signal = 0;
  // Whom it runs as; ours where none is given. Needs CAP_SETUID and CAP_SETGID; one that cannot change ends with 127.
  std::optional<ProcessUser> user;
};

// The child runs in a session of its own, so that Ctrl-C on a terminal reaches its parent alone. Fails with
// Unavailable where fork fails; a program that cannot be executed ends with status 127.
Result<pid_t> start(const Program& program);

// A pair of connected Unix sockets, both close-on-exec. Fails with Unavailable.
Result<std::pair<int, int>> socket_pair(int type);

// A descriptor that becomes readable when the child ends (pidfd_open(2)), or -1.
int descriptor_of(pid_t pid);

// Closes and forgets a descriptor.
void close_descriptor(int& descriptor);

}  // namespace countersign::process
