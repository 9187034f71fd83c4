// A program that is given a hostile tree: without network, without the machine's files, within limits, gone when it is
// over. bubblewrap (bwrap(1)) makes the namespaces, prlimit(1) the limits.
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "common/result.h"

namespace countersign::vetting {

struct SandboxedProgram {
  std::vector<std::string> argv;         // argv[0] is a path
  std::vector<std::string> environment;  // "NAME=value"; PATH, HOME and LANG are set besides
  std::string tree;                      // seen read-only at /tree
  std::string out;                       // seen at /out, writable: a folder
  std::vector<std::string> read_only;    // seen where they are
  bool network = false;
  std::chrono::seconds time{120};
  std::uint64_t memory = std::uint64_t{4} << 30;  // address space; 0: unlimited
};

inline constexpr const char* kSandboxTree = "/tree";
inline constexpr const char* kSandboxOut = "/out";
inline constexpr const char* kSandboxEmpty = "/empty";

struct SandboxedAnswer {
  int exit_code = 0;
  std::string output;
  std::string errors;
};

// Runs it to its end. Fails with Unavailable, reason "sandbox_missing", where bwrap or prlimit is missing or the kernel
// does not let them work: nothing is ever run outside. Fails as process::run_confined beyond the time and 64 MiB of
// output.
Result<SandboxedAnswer> run_sandboxed(const SandboxedProgram& program);

}  // namespace countersign::vetting
