// What a process of ours gives up before it serves: dumps and inspection, privileges, capabilities, files (Landlock)
// and system calls (seccomp). What each kind keeps is one table (profile.cc). Entered after login, since token
// libraries open files and threads that the filter forbids (docs/threat-model.md, "Confinement").
//
// Order in a process: forbid_inspection() before the first secret is read; then everything that needs privileges
// (bind, open, log in); confine() last, before the first byte from a peer is read and before the first thread starts
// (the measures hold for the calling thread and the threads it starts afterwards).
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "common/json.h"
#include "common/result.h"

namespace countersign::confinement {

enum class ProcessKind { Supervisor, Front, Holder, Notifier };
std::string_view name_of(ProcessKind kind);

// What a holder's module has to reach (`tokens.NAME.confinement`); Files for the other kinds.
enum class Reach { Files, LocalSockets, Network };

struct Needs {
  ProcessKind kind = ProcessKind::Holder;
  Reach reach = Reach::Files;
  // Files and folders beyond those of the table; what does not exist is left out. Ignored for the supervisor, whose
  // children would inherit the ban.
  std::vector<std::string> read_only;
  std::vector<std::string> read_write;
  std::vector<std::string> execute;  // the notifier's commands (with what they read under read_only)
  // Keeps what starting a process as another user, ending it and looking at the front's marks take: the capabilities
  // SETUID, SETGID, KILL and DAC_READ_SEARCH.
  bool starts_as_users = false;
  // Refuse to go on where a mandatory measure is not in force. Landlock and memory locking are never mandatory: kernels
  // and limits of Debian 12 may lack them.
  bool mandatory = true;
};

enum class State {
  InForce,
  Unavailable,  // kernel or limits do not allow it; `detail` says why
  Off,          // not for this kind of process, or a sanitizer build, which needs what it forbids
};

struct Measure {
  std::string_view name;  // no_core_dumps, not_dumpable, no_ptracer, no_new_privs, no_capabilities, memory_locked,
                          // landlock, seccomp
  State state = State::Off;
  std::string detail;
};

// What is in force in this process, for READY and `status`.
class Report {
 public:
  explicit Report(ProcessKind kind) : kind_(kind) {}
  void add(Measure measure) { measures_.push_back(std::move(measure)); }
  const std::vector<Measure>& measures() const { return measures_; }
  bool in_force(std::string_view name) const;
  // {"process":"holder","no_core_dumps":"in_force","landlock":"unavailable: …",…}
  Json to_json() const;

 private:
  ProcessKind kind_;
  std::vector<Measure> measures_;
};

// No core dumps, not dumpable, no tracer: what must hold before the first secret is in memory. Never fails; confine()
// reports whether it worked.
void forbid_inspection();

// Enters every measure of the kind and reports what is in force. Cannot be undone. Fails with Refused, reason
// "confinement_missing", when `mandatory` and a measure is Unavailable.
Result<Report> confine(const Needs& needs);

// Whether this is a build whose sanitizer needs what the confinement forbids.
bool is_sanitized_build();

}  // namespace countersign::confinement
