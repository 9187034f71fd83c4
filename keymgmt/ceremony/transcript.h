// What happened in a ceremony: a file of canonical JSON lines (RFC 8785), each naming the SHA-256 of the line before
// it. A line is on the disk before the step after it begins. The last one's digest, or the file's, is what those
// present sign.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/clock.h"
#include "common/json.h"
#include "common/result.h"

namespace countersign::ceremony {

// Kinds of lines, in the member `kind`:
//   begin      {intent: the file's text, intent_sha256, name, purpose, approvals, people, tools, mode, …}
//   token      a token that steps will open: its info, mechanisms, profile and trust, and what was on it before
//   attempt    a step is about to be tried: what is found done afterwards may be its own work
//   step       {step, title, expected, observed, initials}
//   exception  what went otherwise than planned, never an edit of another line
//   resumed    the ceremony went on after an interruption
//   end        {outcome, keys in all formats, rehearsal}
struct Entry {
  std::int64_t number = 0;  // member "n", from 0
  std::string kind;
  Json json;         // the whole line
  std::string line;  // without the line end
};

class Transcript {
 public:
  // Every line and the chain. Fails with VerificationFailed (transcript_broken), naming the line; a torn last line
  // (no line end, or no JSON) is left out and its length given by torn().
  static Result<Transcript> parse(std::string_view text);
  // Of a file, for going on with it; a missing file is an empty transcript. A torn last line is cut off.
  static Result<Transcript> open(const std::string& path);

  const std::vector<Entry>& entries() const { return entries_; }
  const Entry* last(std::string_view kind) const;  // null where there is none
  std::size_t torn() const { return torn_; }
  bool ended() const { return last("end") != nullptr; }
  std::string head() const;  // hex SHA-256 of the last line; 64 zeros of none
  std::string text() const;  // of the whole file

  // Appends one line, synced. `members` without n, prev, at and kind. Fails with Refused (clock_went_back) where `at`
  // is before the last line's, with Conflict (transcript_ended) after the end, with Unavailable as files do.
  Status append(std::string_view kind, Json members, UtcTime at);

 private:
  std::string path_;
  std::vector<Entry> entries_;
  std::size_t torn_ = 0;
};

}  // namespace countersign::ceremony
