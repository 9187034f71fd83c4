#include "command/mcp/session_journal.h"

#include <sys/stat.h>

#include <filesystem>
#include <optional>
#include <vector>

#include "command/line/input_file.h"
#include "common/appended_file.h"
#include "common/digest.h"
#include "common/durable_file.h"
#include "common/text.h"
#include "gate/document/gait_line.h"
#include "packs/runpack.h"
#include "packs/session_runpack.h"

namespace countersign::command {
namespace {

constexpr std::size_t kLargestJournal = std::size_t{64} << 20;
constexpr std::size_t kIndexDigits = 4;
constexpr std::string_view kVersion = "1.0.0";

Error bad(const std::string& path, std::string detail) {
  return Error{ErrorCode::Invalid, path + ": " + std::move(detail), "bad_session_journal",
               "move the journal away; the next call of the session begins another"};
}

Error taken(const std::string& path) {
  return Error{ErrorCode::Invalid, path + ": session journal already initialized with different session/run",
               "session_journal_taken"};
}

std::string state_path(const std::string& path) {
  return path + ".state.json";
}

std::int64_t number(const Json& object, std::string_view name) {
  const Json* member = object.find(name);
  return member != nullptr && member->is_integer() ? member->as_integer() : -1;
}

// -1 where there is none.
std::int64_t size_of(const std::string& path) {
  struct stat facts {};
  return ::lstat(path.c_str(), &facts) == 0 ? facts.st_size : -1;
}

std::string checkpoint_digest(const Json& checkpoint) {
  return sha256(std::string(checkpoint.text("manifest_digest")) + ":" +
                std::string(checkpoint.text("prev_checkpoint_digest")) + ":" +
                std::to_string(number(checkpoint, "checkpoint_index")) + ":" +
                std::to_string(number(checkpoint, "sequence_start")) + ":" +
                std::to_string(number(checkpoint, "sequence_end")))
      .hex();
}

// A journal as its lines tell it.
struct ReadJournal {
  Json header;
  std::vector<Json> events;
  std::vector<Json> checkpoints;
  std::int64_t last = 0;  // event

  std::int64_t covered() const { return checkpoints.empty() ? 0 : number(checkpoints.back(), "sequence_end"); }
};

bool is_of_its_session(const ReadJournal& journal, const Json& record) {
  return record.text("session_id") == journal.header.text("session_id") &&
         record.text("run_id") == journal.header.text("run_id");
}

// Why the checkpoint does not follow; empty where it does.
std::string_view fault_of(const ReadJournal& journal, const Json& checkpoint) {
  const bool first = journal.checkpoints.empty();
  const std::string_view before = first ? "" : journal.checkpoints.back().text("checkpoint_digest");
  if (number(checkpoint, "checkpoint_index") != static_cast<std::int64_t>(journal.checkpoints.size()) + 1) {
    return "checkpoint_index does not follow";
  }
  const std::int64_t start = number(checkpoint, "sequence_start");
  if (start <= journal.covered() || number(checkpoint, "sequence_end") < start) return "its events do not follow";
  if (checkpoint.text("prev_checkpoint_digest") != before) return "prev_checkpoint_digest is another";
  return checkpoint.text("checkpoint_digest") == checkpoint_digest(checkpoint) ? "" : "checkpoint_digest is another";
}

Status take(ReadJournal& journal, const Json& line, const std::string& path) {
  const std::string_view type = line.text("record_type");
  const Json* record = line.find(type);
  if (record == nullptr || !record->is_object()) return bad(path, "a line without its record");
  if (type == "header") {
    if (!journal.header.is_null()) return bad(path, "a second header");
    if (record->text("session_id").empty() || record->text("run_id").empty()) return bad(path, "a header of nobody");
    journal.header = *record;
    return ok();
  }
  if (journal.header.is_null()) return bad(path, "it does not begin with a header");
  if (!is_of_its_session(journal, *record)) return bad(path, "a record of another session");
  if (type == "event") {
    if (number(*record, "sequence") != journal.last + 1) return bad(path, "an event is missing or there twice");
    journal.events.push_back(*record);
    ++journal.last;
    return ok();
  }
  if (type != "checkpoint") return bad(path, "a record of an unknown type");
  if (const std::string_view fault = fault_of(journal, *record); !fault.empty()) {
    return bad(path, "a checkpoint: " + std::string(fault));
  }
  journal.checkpoints.push_back(*record);
  // A compacted journal has its checkpoints without their events.
  journal.last = std::max(journal.last, journal.covered());
  return ok();
}

Result<ReadJournal> read_journal(const std::string& path) {
  ASSIGN_OR_RETURN(const std::string text, read_file(path, kLargestJournal));
  ReadJournal journal;
  for (const std::string_view whole : lines_of(text)) {
    const std::string_view line = trimmed(whole);
    if (line.empty()) continue;
    const Result<Json> json = Json::parse(line, {.gait = true});
    if (!json || !json->is_object()) return bad(path, "a line that is no JSON object");
    RETURN_IF_ERROR(take(journal, *json, path));
  }
  if (journal.header.is_null()) return bad(path, "it has no header");
  return journal;
}

Json state_of(const ReadJournal& journal) {
  Json state = Json::object({{"schema_id", "gait.runpack.session_state"},
                             {"schema_version", kVersion},
                             {"updated_at", journal.header.text("created_at")},
                             {"producer_version", COUNTERSIGN_VERSION},
                             {"session_id", journal.header.text("session_id")},
                             {"run_id", journal.header.text("run_id")},
                             {"created_at", journal.header.text("created_at")},
                             {"started_at", journal.header.text("started_at")},
                             {"event_count", static_cast<std::int64_t>(journal.events.size())},
                             {"last_sequence", journal.last},
                             {"checkpoint_count", static_cast<std::int64_t>(journal.checkpoints.size())},
                             {"last_checkpoint_index", static_cast<std::int64_t>(journal.checkpoints.size())},
                             {"last_checkpoint_sequence", journal.covered()}});
  if (!journal.checkpoints.empty()) {
    state.set("last_checkpoint_digest", journal.checkpoints.back().text("checkpoint_digest"));
  }
  return state;
}

// The kept state, where it is one of a journal of that size.
std::optional<Json> kept_state(const std::string& path, std::int64_t size) {
  const Result<std::string> text = read_file(state_path(path));
  if (!text) return std::nullopt;
  Result<Json> state = Json::parse(*text, {.gait = true});
  if (!state || state->text("schema_id") != "gait.runpack.session_state") return std::nullopt;
  for (const char* name : {"event_count", "last_sequence", "checkpoint_count", "last_checkpoint_sequence"}) {
    if (number(*state, name) < 0) return std::nullopt;
  }
  if (number(*state, "journal_size_bytes") != size) return std::nullopt;
  state->erase("journal_size_bytes");
  return *std::move(state);
}

std::string chain_path(const std::string& path) {
  const std::filesystem::path journal(path);
  return (journal.parent_path() / (journal.stem().string() + "_chain.json")).string();
}

std::string checkpoint_run(std::string_view run_id, std::int64_t index) {
  const std::string digits = std::to_string(index);
  return std::string(run_id) + "_cp_" + std::string(kIndexDigits - std::min(digits.size(), kIndexDigits), '0') + digits;
}

}  // namespace

Result<SessionJournal> SessionJournal::open(const std::string& path, std::string_view session_id,
                                            std::string_view run_id, UtcTime now) {
  const std::int64_t size = size_of(path);
  if (size < 0) {
    const ReadJournal begun{Json::object({{"schema_id", "gait.runpack.session_journal"},
                                          {"schema_version", kVersion},
                                          {"created_at", now.rfc3339()},
                                          {"producer_version", COUNTERSIGN_VERSION},
                                          {"session_id", session_id},
                                          {"run_id", run_id},
                                          {"started_at", now.rfc3339()},
                                          {"events", Json::Array{}}}),
                            {},
                            {}};
    SessionJournal journal(path, state_of(begun));
    RETURN_IF_ERROR(journal.write("header", begun.header));
    return journal;
  }
  std::optional<Json> state = kept_state(path, size);
  if (!state) {
    ASSIGN_OR_RETURN(const ReadJournal read, read_journal(path));
    state = state_of(read);
  }
  if (state->text("session_id") != session_id || state->text("run_id") != run_id) return taken(path);
  return SessionJournal(path, *std::move(state));
}

Json SessionJournal::record_of(std::string_view kind, UtcTime now) const {
  return Json::object({{"schema_id", "gait.runpack." + std::string(kind)},
                       {"schema_version", kVersion},
                       {"created_at", now.rfc3339()},
                       {"producer_version", COUNTERSIGN_VERSION},
                       {"session_id", state_.text("session_id")},
                       {"run_id", state_.text("run_id")}});
}

Status SessionJournal::write(std::string_view type, const Json& record) {
  return append_line(path_, gate::gait_log_line(Json::object({{"record_type", type}, {std::string(type), record}})));
}

Status SessionJournal::keep_state(UtcTime now) {
  Json state = state_;
  state.set("updated_at", now.rfc3339());
  state.set("producer_version", COUNTERSIGN_VERSION);
  state.set("journal_size_bytes", size_of(path_));
  return write_output(state_path(path_), state.gait_file());
}

Result<std::int64_t> SessionJournal::append(const Json& event, UtcTime now) {
  const std::int64_t sequence = number(state_, "last_sequence") + 1;
  Json record = record_of("session_event", now);
  record.set("sequence", sequence);
  for (const auto& [name, value] : event.as_object()) record.set(name, value);
  RETURN_IF_ERROR(write("event", record));
  state_.set("last_sequence", sequence);
  state_.set("event_count", number(state_, "event_count") + 1);
  RETURN_IF_ERROR(keep_state(now));
  return sequence;
}

Result<std::string> SessionJournal::checkpoint(const std::string& runpack, UtcTime now) {
  ASSIGN_OR_RETURN(ReadJournal journal, read_journal(path_));
  std::vector<Json> events;
  for (const Json& event : journal.events) {
    if (number(event, "sequence") > journal.covered()) events.push_back(event);
  }
  if (events.empty()) return bad(path_, "no new session events available for checkpoint");
  const std::int64_t index = static_cast<std::int64_t>(journal.checkpoints.size()) + 1;
  const std::string archive =
      packs::runpack_of_session(checkpoint_run(state_.text("run_id"), index), now.rfc3339(), index, events);
  ASSIGN_OR_RETURN(const packs::Runpack written, packs::Runpack::parse(archive));
  RETURN_IF_ERROR(write_output(runpack, archive));
  Json record = record_of("session_checkpoint", now);
  record.set("checkpoint_index", index);
  record.set("sequence_start", number(events.front(), "sequence"));
  record.set("sequence_end", number(events.back(), "sequence"));
  record.set("runpack_path", runpack);
  record.set("manifest_digest", written.manifest_digest());
  if (!journal.checkpoints.empty()) {
    record.set("prev_checkpoint_digest", journal.checkpoints.back().text("checkpoint_digest"));
  }
  record.set("checkpoint_digest", checkpoint_digest(record));
  RETURN_IF_ERROR(write("checkpoint", record));
  journal.checkpoints.push_back(std::move(record));
  state_ = state_of(journal);
  RETURN_IF_ERROR(keep_state(now));
  Json chain = Json::object({{"schema_id", "gait.runpack.session_chain"},
                             {"schema_version", kVersion},
                             {"created_at", journal.header.text("created_at")},
                             {"producer_version", journal.header.text("producer_version")},
                             {"session_id", journal.header.text("session_id")},
                             {"run_id", journal.header.text("run_id")},
                             {"checkpoints", Json(Json::Array(journal.checkpoints))}});
  std::string path = chain_path(path_);
  RETURN_IF_ERROR(write_output(path, chain.gait_file()));
  return path;
}

}  // namespace countersign::command
