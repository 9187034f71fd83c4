// The folders in which `mcp serve` keeps what it writes of calls: who names the files, how long they stay, and the
// journals of sessions.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "command/line/arguments.h"
#include "command/mcp/call_outputs.h"
#include "command/mcp/retention.h"
#include "common/clock.h"
#include "common/json_fields.h"
#include "common/result.h"

namespace countersign::command {

inline constexpr Flag kFolderFlags[] = {
    {"trace-dir", Flag::Kind::Text, "DIR", "keep every trace there, as trace_<run>_<time>.json, too"},
    {"runpack-dir", Flag::Kind::Text, "DIR", "for runpacks that callers ask for, and checkpoints of sessions"},
    {"pack-dir", Flag::Kind::Text, "DIR",
     "a signed evidence pack of each call that seems to change something, or asks for one"},
    {"session-dir", Flag::Kind::Text, "DIR", "keep a journal of each session there"},
    {"allow-client-artifact-paths", Flag::Kind::Switch, "", "callers may name new files in these folders"},
    {"trace-max-age", Flag::Kind::Text, "DURATION", "remove older traces from their folder, as 168h (0: none)"},
    {"trace-max-count", Flag::Kind::Integer, "N", "keep the newest N traces there (0: all)"},
    {"runpack-max-age", Flag::Kind::Text, "DURATION", "the same of runpacks and checkpoints"},
    {"runpack-max-count", Flag::Kind::Integer, "N", "the same of runpacks and checkpoints"},
    {"pack-max-age", Flag::Kind::Text, "DURATION", "the same of packs"},
    {"pack-max-count", Flag::Kind::Integer, "N", "the same of packs"},
    {"session-max-age", Flag::Kind::Text, "DURATION", "the same of journals"},
    {"session-max-count", Flag::Kind::Integer, "N", "the same of journals"},
    kLogExportFlag,
    kOtelExportFlag,
};

// What a request says of files, gait's members.
struct FileWishes {
  std::string trace_path;
  std::string runpack_out;
  std::string pack_out;
  std::string session_journal;
  bool emit_runpack = false;
  bool emit_pack = false;
  std::int64_t checkpoint_interval = 0;  // a checkpoint after every so many calls of a session; 0: none
};
Result<FileWishes> read_file_wishes(JsonFields& fields);

class CallFolders {
 public:
  // What the flags say; makes the folders, 0750. Fails with Invalid, also where a limit has no folder.
  static Result<CallFolders> open(const Arguments& settings);

  // Where what is written of a call goes. Fails with Invalid, reason "client_path" where the caller names a file and
  // may not, or another than a new one in the folder of its kind; and where he asks for what has no folder here.
  Result<CallOutputs> outputs(const FileWishes& wishes, const PresentedCall& call, UtcTime now) const;

  // Writes the call into its session's journal, where there are journals and it has a session, then removes what has
  // been kept long enough; says so in the answer's warnings, as gait does. `answer` has the call's paths. Fails as
  // SessionJournal does: the decision is recorded then, and its caller has no answer.
  Status conclude(const FileWishes& wishes, Json& answer) const;

 private:
  const Retention& of(KeptKind kind) const { return kept_[static_cast<std::size_t>(kind)]; }
  Result<std::string> place(KeptKind kind, std::string_view member, const std::string& given) const;
  Status check_session(const FileWishes& wishes, std::string_view session_id) const;
  Status journal(const FileWishes& wishes, Json& answer, UtcTime now, std::vector<std::string>& warnings) const;

  std::vector<Retention> kept_;  // of each kind
  bool clients_may_name_ = false;
  std::string log_export_;
  std::string otel_export_;
};

}  // namespace countersign::command
