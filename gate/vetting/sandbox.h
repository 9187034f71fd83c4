// A program that is not trusted, or is given a hostile tree: without network, without the machine's files, within
// limits, gone when it is over. bubblewrap (bwrap(1)) makes the namespaces, prlimit(1) the limits.
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "common/result.h"

namespace countersign::vetting {

struct SandboxedProgram {
  std::vector<std::string> argv;         // argv[0] is a path
  std::vector<std::string> environment;  // "NAME=value"; PATH, HOME and LANG are set besides
  std::string tree;                      // seen read-only at /tree; empty: none
  std::string out;                       // seen at /out, writable: a folder; empty: none
  std::vector<std::string> read_only;    // seen where they are
  std::vector<std::string> read_write;   // likewise
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

// The command line that runs it so: argv[0] is prlimit's path. Fails with Unavailable, reason "sandbox_missing", where
// bwrap or prlimit is missing: nothing is ever run outside.
Result<std::vector<std::string>> sandbox_words(const SandboxedProgram& program);

// Runs it to its end. Fails as sandbox_words(), also where the kernel does not let bwrap work; as process::run_confined
// beyond the time and 64 MiB of output.
Result<SandboxedAnswer> run_sandboxed(const SandboxedProgram& program);

}  // namespace countersign::vetting
