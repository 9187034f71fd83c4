// What each kind of process keeps: one table, printed in docs/threat-model.md.
#pragma once

#include <span>
#include <string_view>

#include "signer/confinement/confinement.h"

namespace countersign::confinement {

enum class Filter {
  AllowList,  // anything that is not listed kills the process
  DenyList,   // for a process whose children are other programs and inherit the filter: what nobody here needs kills
};

struct Profile {
  ProcessKind kind;
  std::string_view name;
  Filter filter;
  bool threads;                                 // may start threads
  bool maps_code;                               // may map or make memory executable
  bool inet;                                    // may open IPv4 and IPv6 sockets
  bool landlock;                                // files are limited to those of this table and of Needs
  bool lock_memory;                             // holds secrets: its memory stays out of swap
  std::span<const std::string_view> calls;      // allowed or denied, by `filter`
  std::span<const std::string_view> read_only;  // files and folders every one of this kind reads
};

const Profile& profile_of(ProcessKind kind);

}  // namespace countersign::confinement
