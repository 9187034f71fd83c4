// The journal of one session: what was decided in it, one line for each call, in gait's form (gait.runpack.session_*).
//
// Lines {record_type: header | event | checkpoint, …}: a header first, events numbered from 1 without a gap, and
// checkpoints, each of which binds the runpack of the events since the one before it. Beside the journal lies
// <journal>.state.json, which says how far it is, so that a call reads no more than that; where it is missing, damaged
// or of another size than the journal, the whole journal is read and checked, and it is made anew.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "common/clock.h"
#include "common/json.h"
#include "common/result.h"

namespace countersign::command {

class SessionJournal {
 public:
  // Opens the journal, or begins it. Nobody else may write to it meanwhile: callers hold a lock for its folder. Fails
  // with Invalid, reason "session_journal_taken" where it is another session's or run's, "bad_session_journal" where it
  // is no journal or its lines do not follow from one another; with TooLarge, Refused and Unavailable.
  static Result<SessionJournal> open(const std::string& path, std::string_view session_id, std::string_view run_id,
                                     UtcTime now);

  // Appends what was decided; its number. `event` has gait's members from tool_name on, in their order.
  Result<std::int64_t> append(const Json& event, UtcTime now);

  // Writes the events since the last checkpoint to `runpack` (packs/session_runpack.h), binds it in the journal, and
  // writes all checkpoints to the chain, whose path it gives: the journal's without its last extension, with
  // "_chain.json". Fails with Invalid where there is no such event, and as open does.
  Result<std::string> checkpoint(const std::string& runpack, UtcTime now);

 private:
  SessionJournal(std::string path, Json state) : path_(std::move(path)), state_(std::move(state)) {}
  Json record_of(std::string_view kind, UtcTime now) const;
  Status write(std::string_view type, const Json& record);
  Status keep_state(UtcTime now);

  std::string path_;
  Json state_;  // gait.runpack.session_state
};

}  // namespace countersign::command
