#include "signer/confinement/confinement.h"

#include <cap-ng.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <iterator>

#include "signer/confinement/landlock.h"
#include "signer/confinement/profile.h"
#include "signer/confinement/system_calls.h"

namespace countersign::confinement {
namespace {

constexpr std::string_view kOptional[] = {"landlock", "memory_locked"};

#ifdef COUNTERSIGN_SANITIZED
constexpr bool kSanitized = true;
#else
constexpr bool kSanitized = false;
#endif
constexpr const char* kWhyOff = "sanitizer build";

std::string reason(const char* act) {
  return std::string(act) + ": " + std::strerror(errno);
}

Measure no_core_dumps() {
  const rlimit none{0, 0};
  if (setrlimit(RLIMIT_CORE, &none) != 0) return {"no_core_dumps", State::Unavailable, reason("setrlimit")};
  return {"no_core_dumps", State::InForce, ""};
}

Measure not_dumpable() {
  if (kSanitized) return {"not_dumpable", State::Off, kWhyOff};
  if (prctl(PR_SET_DUMPABLE, 0) != 0) return {"not_dumpable", State::Unavailable, reason("prctl")};
  return {"not_dumpable", State::InForce, "no ptrace or /proc/PID/mem by processes of the same user"};
}

Measure no_ptracer() {
  if (kSanitized) return {"no_ptracer", State::Off, kWhyOff};
  if (prctl(PR_SET_PTRACER, 0) != 0 && errno != EINVAL) return {"no_ptracer", State::Unavailable, reason("prctl")};
  // EINVAL: no Yama in this kernel, hence no exceptions from the rule that not_dumpable makes.
  return {"no_ptracer", State::InForce, ""};
}

Measure no_new_privs() {
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return {"no_new_privs", State::Unavailable, reason("prctl")};
  return {"no_new_privs", State::InForce, ""};
}

constexpr capng_type_t kEverySet = static_cast<capng_type_t>(CAPNG_EFFECTIVE | CAPNG_PERMITTED | CAPNG_BOUNDING_SET);
constexpr unsigned kToStartAsUsers[] = {CAP_SETUID, CAP_SETGID, CAP_KILL, CAP_DAC_READ_SEARCH};

// Nothing but those four in any set.
bool keeps_no_more() {
  for (unsigned capability = 0; capability <= CAP_LAST_CAP; ++capability) {
    const bool kept =
        std::find(std::begin(kToStartAsUsers), std::end(kToStartAsUsers), capability) != std::end(kToStartAsUsers);
    if ((capng_have_capability(CAPNG_PERMITTED, capability) != 0) != kept) return false;
    if (capng_have_capability(CAPNG_BOUNDING_SET, capability) != 0 && !kept) return false;
  }
  return true;
}

Measure few_capabilities() {
  capng_clear(CAPNG_SELECT_ALL);
  for (const unsigned capability : kToStartAsUsers) capng_update(CAPNG_ADD, kEverySet, capability);
  const bool applied = capng_apply(CAPNG_SELECT_BOUNDS) == 0 && capng_apply(CAPNG_SELECT_CAPS) == 0 &&
                       prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) == 0;
  if (!applied || capng_get_caps_process() != 0 || !keeps_no_more()) {
    return {"no_capabilities", State::Unavailable, "it could not keep setuid, setgid, kill and dac_read_search alone"};
  }
  return {"no_capabilities", State::InForce, "but setuid, setgid, kill and dac_read_search, to start the others"};
}

// Empties every set. The bounding set goes first and needs CAP_SETPCAP; without any capability and with no_new_privs
// nothing can be gained from it, so that counts as well.
Measure no_capabilities() {
  capng_clear(CAPNG_SELECT_ALL);
  capng_apply(CAPNG_SELECT_BOUNDS);
  const bool applied =
      capng_apply(CAPNG_SELECT_CAPS) == 0 && prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) == 0;
  if (capng_get_caps_process() != 0) return {"no_capabilities", State::Unavailable, "the sets cannot be read"};
  if (!applied || capng_have_capabilities(CAPNG_SELECT_CAPS) != CAPNG_NONE) {
    return {"no_capabilities", State::Unavailable, "the kernel kept some"};
  }
  const bool bounds = capng_have_capabilities(CAPNG_SELECT_BOUNDS) == CAPNG_NONE;
  return {"no_capabilities", State::InForce, bounds ? "bounding set empty" : "bounding set as it was, never usable"};
}

// Locking what comes later as well needs a limit that later allocations do not meet: they would fail. Every kind tries
// to raise it while it may, since the processes it starts inherit the limit and not the capability.
Measure memory_locked(const Profile& profile) {
  const rlimit endless{RLIM_INFINITY, RLIM_INFINITY};
  rlimit limit{};
  const bool raised = setrlimit(RLIMIT_MEMLOCK, &endless) == 0 ||
                      (getrlimit(RLIMIT_MEMLOCK, &limit) == 0 && limit.rlim_cur == RLIM_INFINITY);
  if (!profile.lock_memory) return {"memory_locked", State::Off, "holds no session; a PIN's own page is locked"};
  if (kSanitized) return {"memory_locked", State::Off, kWhyOff};
  if (raised && mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT) == 0) {
    return {"memory_locked", State::InForce, ""};
  }
  return {"memory_locked", State::Unavailable, "RLIMIT_MEMLOCK is too low; the PIN's own page is locked"};
}

}  // namespace

std::string_view name_of(ProcessKind kind) {
  return profile_of(kind).name;
}

bool is_sanitized_build() {
  return kSanitized;
}

bool Report::in_force(std::string_view name) const {
  for (const Measure& measure : measures_) {
    if (measure.name == name) return measure.state == State::InForce;
  }
  return false;
}

Json Report::to_json() const {
  Json json = Json::object({{"process", name_of(kind_)}});
  for (const Measure& measure : measures_) {
    const std::string state = measure.state == State::InForce       ? "in_force"
                              : measure.state == State::Unavailable ? "unavailable"
                                                                    : "off";
    json.set(measure.name, measure.detail.empty() ? state : state + ": " + measure.detail);
  }
  return json;
}

void forbid_inspection() {
  no_core_dumps();
  not_dumpable();
  no_ptracer();
}

Result<Report> confine(const Needs& needs) {
  const Profile& profile = profile_of(needs.kind);
  Report report(needs.kind);
  report.add(no_core_dumps());
  report.add(not_dumpable());
  report.add(no_ptracer());
  report.add(memory_locked(profile));  // before the capabilities go: raising the limit needs one
  report.add(needs.starts_as_users ? few_capabilities() : no_capabilities());
  report.add(no_new_privs());  // Landlock and seccomp demand it of a process without capabilities
  if (kSanitized) {
    report.add({"landlock", State::Off, kWhyOff});
    report.add({"seccomp", State::Off, kWhyOff});
  } else {
    report.add(profile.landlock ? enter_landlock(profile, needs)
                                : Measure{"landlock", State::Off, "the programs it starts would inherit it"});
    report.add(enter_system_call_filter(profile, needs.reach));  // last: it forbids what the others need
  }
  if (!needs.mandatory) return report;
  for (const Measure& measure : report.measures()) {
    const bool optional = measure.name == kOptional[0] || measure.name == kOptional[1];
    if (measure.state == State::Unavailable && !optional) {
      return Error{ErrorCode::Refused, std::string(measure.name) + " is mandatory and not in force: " + measure.detail,
                   "confinement_missing",
                   "see docs/threat-model.md, Confinement; confinement_mandatory: false lifts it"};
    }
  }
  return report;
}

}  // namespace countersign::confinement
