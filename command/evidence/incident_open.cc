// incident open: an incident by hand. Commands that fail open one by themselves where the operator wants it
// (automatic_incident.h).
#include "command/evidence/commands.h"
#include "command/evidence/incident.h"
#include "command/evidence/pack_evidence.h"
#include "command/line/command.h"
#include "command/line/input_file.h"
#include "command/line/signer_address.h"
#include "common/text.h"

namespace countersign::command {
namespace {

std::span<const Flag> flags() {
  static const std::vector<Flag> all = [] {
    std::vector<Flag> out = {
        {"reason", Flag::Kind::Text, "TEXT", "what happened, in a sentence"},
        {"directory", Flag::Kind::Text, "DIR", "where incidents are kept, instead of the settings'"}};
    out.insert(out.end(), std::begin(kEvidenceFlags), std::end(kEvidenceFlags));
    out.insert(out.end(), std::begin(kPackFlags), std::end(kPackFlags));
    out.push_back(kSignerFlag);
    return out;
  }();
  return all;
}

Result<IncidentSettings> settings_of(const Arguments& arguments) {
  ASSIGN_OR_RETURN(const std::optional<IncidentSettings> configured, incident_settings());
  IncidentSettings out = configured.value_or(IncidentSettings());
  if (const std::string named(trimmed(arguments.text("directory"))); !named.empty()) out.directory = named;
  if (!out.directory.empty()) return out;
  return Error{ErrorCode::Invalid, "nobody said where incidents are kept", "directory_missing",
               "Pass --directory DIR, or write /etc/countersign/incidents.yaml (docs/runbooks/incident.md)."};
}

Result<IncidentCause> cause_of(const Arguments& arguments) {
  IncidentCause cause;
  cause.command = "incident open";
  cause.message = trimmed(arguments.text("reason"));
  cause.run_id = trimmed(arguments.text("run"));
  const std::string path(trimmed(arguments.text("trace")));
  if (!path.empty() && path.find(',') == std::string::npos) {
    ASSIGN_OR_RETURN(cause.trace, read_document("trace record", path));
    cause.trace_path = path;
    if (cause.run_id.empty()) cause.run_id = cause.trace->text("run_id");
  }
  if (cause.message.empty()) {
    return Error{ErrorCode::Invalid, "--reason is required", "reason_missing", "Say what happened: --reason TEXT."};
  }
  if (cause.run_id.empty()) {
    return Error{ErrorCode::Invalid, "--run is required: the trace names no run", "run_missing",
                 "Name the run whose evidence is to be collected."};
  }
  return cause;
}

Result<int> open(Call& call, const Arguments& arguments) {
  if (!arguments.positionals().empty()) return Error{ErrorCode::Invalid, "incident open takes flags only"};
  ASSIGN_OR_RETURN(const IncidentSettings settings, settings_of(arguments));
  ASSIGN_OR_RETURN(const IncidentCause cause, cause_of(arguments));
  Arguments collected = arguments;
  collected.set("run", cause.run_id);
  ASSIGN_OR_RETURN(const OpenedIncident opened, open_incident(settings, cause, collected, SystemClock().now()));
  const bool whole = opened.pack_error.empty() && opened.hook_error.empty();
  if (call.json) {
    Json answer = Json::object({{"ok", whole},
                                {"incident_id", opened.id},
                                {"folder", opened.folder},
                                {"status", opened.status},
                                {"known", opened.known}});
    if (!opened.ticket.empty()) answer.set("ticket", opened.ticket);
    if (!opened.pack_error.empty()) answer.set("pack_error", opened.pack_error);
    if (!opened.hook_error.empty()) answer.set("hook_error", opened.hook_error);
    call.console.answer(answer.compact() + "\n");
  } else {
    call.console.answer("incident      " + opened.id + "\nfolder        " + opened.folder + "\nstatus        " +
                        opened.status + (opened.ticket.empty() ? "" : "\nticket        " + opened.ticket) + "\n");
  }
  if (!opened.pack_error.empty()) call.console.tell("incident open: no evidence pack yet: " + opened.pack_error);
  if (!opened.hook_error.empty()) call.console.tell("incident open: not handed over: " + opened.hook_error);
  if (!whole) call.console.tell("hint: the same command completes it");
  return whole ? 0 : row_of(ErrorCode::Unavailable).exit_code;
}

}  // namespace

Command incident_open_command() {
  return {"incident open",
          "--run ID|PATH --reason TEXT [--trace FILE] [--directory DIR]",
          "Collects a run's evidence for a ticket, and hands it over",
          "Makes DIR/inc_…/ with incident.json, the triage item of --trace, the evidence pack (what does not verify\n"
          "goes in, marked) and its reports, then runs the hook of the operator's settings with incident.json on its\n"
          "stdin. The same cause is the same incident: calling again completes what failed. Settings:\n"
          "$COUNTERSIGN_INCIDENTS, else /etc/countersign/incidents.yaml; where they are, failing `gate eval`, `run`,\n"
          "`trace verify` and `guard verify` open one by themselves. Exits 0, or 7 where something is yet to be done.",
          "countersign incident open --run run_7 --reason \"disk was wiped\" --directory /var/lib/incidents --json",
          flags(),
          Positionals::Anywhere,
          Shape::Ours,
          open};
}

}  // namespace countersign::command
