#include "command/mcp/call_folders.h"

#include <fcntl.h>

#include <algorithm>
#include <filesystem>
#include <optional>
#include <system_error>

#include "command/line/input_file.h"
#include "command/mcp/session_journal.h"
#include "common/locked_file.h"
#include "common/text.h"
#include "gate/call/tool_call.h"
#include "gate/call/tool_operation.h"
#include "gate/document/go_texts.h"
#include "gate/document/optional_members.h"

namespace countersign::command {
namespace {

namespace fs = std::filesystem;

// Leaves room for what is added to it within 255 bytes.
constexpr std::size_t kLongestSession = 160;
constexpr std::size_t kSequenceDigits = 6;
constexpr std::int64_t kLongestInterval = 1'000'000;
constexpr mode_t kOwnerOnly = 0600;
// In the folder of sessions: held while a journal is written.
constexpr const char* kLock = ".sessions.lock";

Error invalid(std::string detail, std::string reason = {}) {
  return Error{ErrorCode::Invalid, std::move(detail), std::move(reason)};
}

Error client_path(std::string detail) {
  return invalid(std::move(detail), "client_path");
}

// "--trace-dir"
std::string flag_of(KeptKind kind, std::string_view what) {
  return "--" + std::string(name_of(kind)) + "-" + std::string(what);
}

Result<Retention> retention_of(const Arguments& settings, KeptKind kind) {
  const auto name = [kind](std::string_view what) { return flag_of(kind, what).substr(2); };
  Retention out{kind, std::string(trimmed(settings.text(name("dir"))))};
  const std::string_view age = trimmed(settings.text(name("max-age"), "0"));
  if (!age.empty()) {
    const Result<std::chrono::nanoseconds> read = parse_duration(age);
    if (!read) return invalid("parse " + flag_of(kind, "max-age") + ": " + gate::go_duration_complaint(age));
    out.most_age = *read;
  }
  if (out.most_age < std::chrono::nanoseconds::zero()) {
    return invalid("parse " + flag_of(kind, "max-age") + ": duration must be >= 0");
  }
  out.most_files = settings.integer(name("max-count")).value_or(0);
  if (out.most_files < 0) return invalid("retention max-count values must be >= 0");
  if (out.folder.empty() && (out.most_files > 0 || out.most_age > std::chrono::nanoseconds::zero())) {
    return invalid(flag_of(kind, "max-age") + " and " + flag_of(kind, "max-count") + " need " + flag_of(kind, "dir"));
  }
  if (!out.folder.empty()) {
    RETURN_IF_ERROR(refuse_traversal(name("dir"), out.folder));
    RETURN_IF_ERROR(prepare_output(name("dir"), out.folder + "/.new"));
  }
  return out;
}

std::string text_of(const Json* given) {
  return given == nullptr ? std::string() : std::string(trimmed(given->as_string()));
}

// A session's name as a part of a file's name, as gait makes it.
std::string file_base(std::string_view session_id) {
  std::string out(session_id);
  std::ranges::replace_if(
      out, [](char c) { return c == '/' || c == '\\' || c == ' ' || c == ':' || static_cast<unsigned char>(c) < 0x20; },
      '_');
  const auto is_outer = [](char c) { return c == '.' || c == '_'; };
  while (!out.empty() && is_outer(out.back())) out.pop_back();
  out.erase(out.begin(), std::ranges::find_if_not(out, is_outer));
  return out.empty() ? "session" : out;
}

// What the journal says of a call beside its number, in gait's order.
Json event_of(const Json& answer) {
  Json event{Json::Object{}};
  for (const char* name : {"tool_name", "intent_digest", "policy_digest", "policy_id", "policy_version"}) {
    gate::put(event, name, answer.text(name));
  }
  gate::put(event, "matched_rule_ids", gate::texts_of(answer.find("matched_rule_ids")));
  for (const char* name : {"trace_id", "trace_path", "verdict"}) gate::put(event, name, answer.text(name));
  for (const char* name : {"reason_codes", "violations"}) gate::put(event, name, gate::texts_of(answer.find(name)));
  return event;
}

std::string numbered(std::int64_t sequence) {
  const std::string digits = std::to_string(sequence);
  return std::string(kSequenceDigits - std::min(digits.size(), kSequenceDigits), '0') + digits;
}

}  // namespace

Result<FileWishes> read_file_wishes(JsonFields& fields) {
  FileWishes out;
  struct Row {
    const char* name;
    std::string& text;
  };
  for (const Row& row : {Row{"trace_path", out.trace_path}, Row{"runpack_out", out.runpack_out},
                         Row{"pack_out", out.pack_out}, Row{"session_journal", out.session_journal}}) {
    const Json* given = fields.take(row.name);
    if (given != nullptr && !given->is_string()) return fields.wrong(row.name, "is not a text");
    row.text = text_of(given);
  }
  struct Switch {
    const char* name;
    bool& on;
  };
  for (const Switch& row : {Switch{"emit_runpack", out.emit_runpack}, Switch{"emit_pack", out.emit_pack}}) {
    const Json* given = fields.take(row.name);
    if (given == nullptr) continue;
    if (!given->is_bool()) return fields.wrong(row.name, "is neither true nor false");
    row.on = given->as_bool();
  }
  if (const Json* given = fields.take("checkpoint_interval")) {
    if (!given->is_integer() || given->as_integer() < 0 || given->as_integer() > kLongestInterval) {
      return fields.wrong("checkpoint_interval", "is no number from 0 to " + std::to_string(kLongestInterval));
    }
    out.checkpoint_interval = given->as_integer();
  }
  return out;
}

Result<CallFolders> CallFolders::open(const Arguments& settings) {
  CallFolders out;
  for (const KeptKind kind : kKeptKinds) {
    ASSIGN_OR_RETURN(Retention retention, retention_of(settings, kind));
    out.kept_.push_back(std::move(retention));
  }
  out.clients_may_name_ = settings.is_on("allow-client-artifact-paths");
  out.log_export_ = trimmed(settings.text(kLogExportFlag.name));
  out.otel_export_ = trimmed(settings.text(kOtelExportFlag.name));
  RETURN_IF_ERROR(prepare_outputs({"", "", "", out.log_export_, out.otel_export_}));
  return out;
}

// A caller names files with the service's rights: only new ones, and only where files of that kind are kept.
Result<std::string> CallFolders::place(KeptKind kind, std::string_view member, const std::string& given) const {
  const std::string request = "request." + std::string(member);
  if (!clients_may_name_) return client_path(request + " is not allowed by server configuration");
  const std::string& folder = of(kind).folder;
  if (folder.empty()) return client_path(request + " requires server " + flag_of(kind, "dir"));
  const fs::path path(given);
  std::error_code failure;
  const fs::path parent = fs::canonical(path.has_parent_path() ? path.parent_path() : fs::path("."), failure);
  if (failure || parent != fs::canonical(folder, failure) || failure || !path.has_filename() ||
      path.filename() == "." || path.filename() == ".." || path.filename().string().starts_with('.')) {
    return client_path(request + " must name a file in the folder of " + flag_of(kind, "dir"));
  }
  return given;
}

Status CallFolders::check_session(const FileWishes& wishes, std::string_view session_id) const {
  const bool journals = !of(KeptKind::Session).folder.empty();
  if (wishes.checkpoint_interval > 0 && (!journals || of(KeptKind::Runpack).folder.empty())) {
    return invalid("request.checkpoint_interval requires server --session-dir and --runpack-dir");
  }
  if (!wishes.session_journal.empty()) {
    RETURN_IF_ERROR(place(KeptKind::Session, "session_journal", wishes.session_journal));
    if (!wishes.session_journal.ends_with(".jsonl")) return client_path("request.session_journal must end in .jsonl");
  }
  if (journals && session_id.size() > kLongestSession) {
    return invalid("session_id: has more than " + std::to_string(kLongestSession) + " bytes");
  }
  if (!journals || session_id.empty()) return ok();
  return prepare_output("session journal", of(KeptKind::Session).folder + "/" + kLock);
}

Result<CallOutputs> CallFolders::outputs(const FileWishes& wishes, const PresentedCall& presented, UtcTime now) const {
  RETURN_IF_ERROR(check_session(wishes, trimmed(presented.call.session_id)));
  CallOutputs out;
  out.log_export = log_export_;
  out.otel_export = otel_export_;
  // As gait names them: by the run that the request names.
  const std::string name = gate::run_id_of(presented.call.run_id) + "_" + file_stamp(now);
  const bool packs = wishes.emit_pack ||
                     (!of(KeptKind::Pack).folder.empty() && gate::seems_to_change_something(presented.call.intent));
  struct Row {
    KeptKind kind;
    std::string_view member;
    const std::string& given;
    bool wanted;
    std::string usual;
    std::string& path;
  };
  const Row rows[] = {
      {KeptKind::Trace, "trace_path", wishes.trace_path, !of(KeptKind::Trace).folder.empty(), "trace_" + name + ".json",
       out.trace},
      {KeptKind::Runpack, "runpack_out", wishes.runpack_out, wishes.emit_runpack, "runpack_" + name + ".zip",
       out.runpack},
      {KeptKind::Pack, "pack_out", wishes.pack_out, packs, "pack_" + name + ".zip", out.pack},
  };
  for (const Row& row : rows) {
    if (!row.given.empty()) {
      ASSIGN_OR_RETURN(row.path, place(row.kind, row.member, row.given));
      std::error_code failure;
      if (fs::exists(fs::symlink_status(row.path, failure))) {
        return client_path("request." + std::string(row.member) + " names a file that is already there");
      }
    } else if (row.wanted) {
      if (of(row.kind).folder.empty()) {
        return invalid("request.emit_" + std::string(name_of(row.kind)) + " requires server " +
                       flag_of(row.kind, "dir"));
      }
      row.path = (fs::path(of(row.kind).folder) / row.usual).string();
    }
  }
  return out;
}

Status CallFolders::journal(const FileWishes& wishes, Json& answer, UtcTime now,
                            std::vector<std::string>& warnings) const {
  const std::string session_id(trimmed(answer.text("session_id")));
  const std::string run_id(answer.text("run_id"));
  const fs::path folder(of(KeptKind::Session).folder);
  const std::string base = file_base(session_id);
  std::string path = wishes.session_journal;
  if (path.empty()) path = (folder / (base + ".journal.jsonl")).string();
  Result<SessionJournal> opened = SessionJournal::open(path, session_id, run_id, now);
  if (!opened && opened.error().reason == "session_journal_taken" && wishes.session_journal.empty()) {
    path = (folder / (base + "_" + gate::run_id_of(run_id) + ".journal.jsonl")).string();
    opened = SessionJournal::open(path, session_id, run_id, now);
  }
  RETURN_IF_ERROR(opened);
  ASSIGN_OR_RETURN(const std::int64_t sequence, opened->append(event_of(answer), now));
  warnings.push_back("session_journal=" + path + " sequence=" + std::to_string(sequence));
  if (wishes.checkpoint_interval == 0 || sequence % wishes.checkpoint_interval != 0) return ok();
  const std::string runpack =
      (fs::path(of(KeptKind::Runpack).folder) / (base + "_cp_" + numbered(sequence) + ".zip")).string();
  ASSIGN_OR_RETURN(const std::string chain, opened->checkpoint(runpack, now));
  warnings.push_back("session_checkpoint=" + runpack + " chain=" + chain);
  return ok();
}

Status CallFolders::conclude(const FileWishes& wishes, Json& answer) const {
  const UtcTime now = SystemClock().now();
  std::vector<std::string> warnings = gate::texts_of(answer.find("warnings"));
  const std::string& sessions = of(KeptKind::Session).folder;
  {
    std::optional<LockedFile> lock;
    if (!sessions.empty()) {
      ASSIGN_OR_RETURN(LockedFile locked,
                       LockedFile::open(sessions + "/" + kLock, O_RDWR, kOwnerOnly, LockedFile::Wait::Yes));
      lock.emplace(std::move(locked));
      if (!trimmed(answer.text("session_id")).empty()) RETURN_IF_ERROR(journal(wishes, answer, now, warnings));
    }
    for (const Retention& each : kept_) {
      std::string warning = apply(each, now);
      if (!warning.empty()) warnings.push_back(std::move(warning));
    }
  }
  gate::put(answer, "warnings", warnings);
  return ok();
}

}  // namespace countersign::command
