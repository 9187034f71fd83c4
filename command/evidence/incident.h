// An incident: what failed, an item for an issue tracker, and the evidence pack of the run, in a folder of its own, and
// handed to a ticket system by a command of the operator's. Opened by hand, or by commands that fail where the operator
// configured it.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "command/line/arguments.h"
#include "common/clock.h"
#include "common/json.h"
#include "common/result.h"

namespace countersign::command {

// The operator's file: $COUNTERSIGN_INCIDENTS, else /etc/countersign/incidents.yaml.
//   directory: /var/lib/countersign-incidents   # a folder for each incident
//   hook: [/usr/local/bin/file-ticket, --queue, security]   # absolute; incident.json on its stdin; its first line of
//                                                           # output is the ticket. Optional.
struct IncidentSettings {
  std::string directory;
  std::vector<std::string> hook;
};

// Nothing where there is no such file. Fails with Invalid where it cannot be read or understood, and with Refused,
// reason "settings_writable", where somebody but root or the caller could have written it: it names a program.
Result<std::optional<IncidentSettings>> incident_settings();

// What failed. The same cause gives the same incident.
struct IncidentCause {
  std::string command;  // "gate eval"; "incident open" for one that a person opens
  std::string code;     // of the error
  std::string message;
  std::string run_id;
  std::optional<Json> trace;  // the decision it is about
  std::string trace_path;
};

struct OpenedIncident {
  std::string id;      // "inc_" and 16 hex digits
  std::string folder;  // incident.json, triage.json, evidence_pack.zip, report.txt, report.html
  std::string status;  // "open", or "handed_over" once the hook took it
  std::string ticket;  // what the hook said
  std::string pack_error;
  std::string hook_error;
  bool known = false;  // it was handed over before: nothing was done
};

// `arguments` says what goes into the pack (pack_making.h), --run as in the cause. What cannot be collected (the signer
// is down) stands in incident.json as its reason, and the same call later completes it. Fails with Unavailable where
// the folder cannot be written.
Result<OpenedIncident> open_incident(const IncidentSettings& settings, const IncidentCause& cause,
                                     const Arguments& arguments, UtcTime now);

}  // namespace countersign::command
