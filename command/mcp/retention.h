// How long files of a folder stay, and how many (gait's mcp serve).
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "common/clock.h"

namespace countersign::command {

// What is kept in a folder, by the names of its files; others in it stay.
enum class KeptKind { Trace, Runpack, Pack, Session };
inline constexpr KeptKind kKeptKinds[] = {KeptKind::Trace, KeptKind::Runpack, KeptKind::Pack, KeptKind::Session};
std::string_view name_of(KeptKind kind);
// Trace: *trace*.json; Runpack: runpack_*.zip and *_cp_*.zip; Pack: pack_*.zip; Session: *.json, *.jsonl, *.state. Case
// does not count.
bool is_of(KeptKind kind, std::string_view file_name);

struct Retention {
  KeptKind kind;
  std::string folder;                   // empty: none
  std::chrono::nanoseconds most_age{};  // 0: any
  std::int64_t most_files = 0;          // 0: any number
};

// Removes the files that were changed longer ago than `most_age`, and all but the `most_files` newest (of equal age
// those whose names come last). Gives gait's warning "retention_trace_removed_age=1 removed_count=2" or
// "retention_trace_error=…"; empty where nothing was removed.
std::string apply(const Retention& retention, UtcTime now);

}  // namespace countersign::command
