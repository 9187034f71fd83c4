#include "signer/confinement/system_calls.h"

#include <sched.h>
#include <seccomp.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <memory>

namespace countersign::confinement {
namespace {

// Adds rules and remembers the first failure.
class Rules {
 public:
  explicit Rules(scmp_filter_ctx filter) : filter_(filter) {}

  // A name this architecture or library does not know is left out: it cannot be called, or stays killed by default.
  void add(std::uint32_t action, std::string_view call, const std::vector<scmp_arg_cmp>& arguments = {}) {
    const int number = seccomp_syscall_resolve_name(std::string(call).c_str());
    if (number < 0) return;
    const int result = seccomp_rule_add_array(filter_, action, number, static_cast<unsigned>(arguments.size()),
                                              arguments.empty() ? nullptr : arguments.data());
    if (result < 0 && failure_ == 0) failure_ = result;
  }
  void allow(std::string_view call, const std::vector<scmp_arg_cmp>& arguments = {}) {
    add(SCMP_ACT_ALLOW, call, arguments);
  }
  int failure() const { return failure_; }

 private:
  scmp_filter_ctx filter_;
  int failure_ = 0;
};

scmp_arg_cmp equals(unsigned argument, std::uint64_t value) {
  return {argument, SCMP_CMP_EQ, value, 0};
}
scmp_arg_cmp masked(unsigned argument, std::uint64_t mask, std::uint64_t value) {
  return {argument, SCMP_CMP_MASKED_EQ, mask, value};
}

void add_allow_list(Rules& rules, const Profile& profile, Reach reach) {
  for (const std::string_view call : profile.calls) rules.allow(call);
  // A module of a network or TPM token may load parts of itself late; then no line is drawn at executable memory.
  if (profile.maps_code || reach != Reach::Files) {
    rules.allow("mmap");
    rules.allow("mprotect");
  } else {
    rules.allow("mmap", {masked(2, PROT_EXEC, 0)});
    rules.allow("mprotect", {masked(2, PROT_EXEC, 0)});
  }
  // Unix sockets always: SoftHSM and glibc write to syslog.
  rules.allow("socket", {equals(0, AF_UNIX)});
  if (profile.inet || reach == Reach::Network) {
    for (const int family : {AF_INET, AF_INET6, AF_NETLINK}) {  // netlink: how glibc lists addresses
      rules.allow("socket", {equals(0, static_cast<std::uint64_t>(family))});
    }
    for (const std::string_view call :
         {"setsockopt", "getsockname", "getpeername", "bind", "ioctl", "select", "pselect6", "sendmmsg", "recvmmsg"}) {
      rules.allow(call);
    }
  }
  if (profile.threads || reach != Reach::Files) {
    // clone3 hides its flags behind a pointer: pretend it is unknown, so that glibc falls back to clone.
    rules.add(SCMP_ACT_ERRNO(ENOSYS), "clone3");
    rules.allow("clone", {masked(0, CLONE_THREAD, CLONE_THREAD)});
  }
  // A thread may name itself; no other prctl, which could make the process dumpable again.
  rules.allow("prctl", {equals(0, PR_SET_NAME)});
  rules.allow("tgkill", {equals(0, static_cast<std::uint64_t>(getpid()))});  // abort()
  // Reading a limit, never setting one.
  rules.allow("prlimit64", {equals(2, 0)});
}

}  // namespace

Measure enter_system_call_filter(const Profile& profile, Reach reach) {
  const bool allow_list = profile.filter == Filter::AllowList;
  const std::unique_ptr<void, void (*)(scmp_filter_ctx)> filter(
      seccomp_init(allow_list ? SCMP_ACT_KILL_PROCESS : SCMP_ACT_ALLOW), seccomp_release);
  if (!filter) return {"seccomp", State::Unavailable, "libseccomp cannot make a filter"};
  Rules rules(filter.get());
  if (allow_list) {
    add_allow_list(rules, profile, reach);
  } else {
    for (const std::string_view call : profile.calls) rules.add(SCMP_ACT_KILL_PROCESS, call);
  }
  // A binary tree instead of a list: the filter runs some twenty times for each signature.
  seccomp_attr_set(filter.get(), SCMP_FLTATR_CTL_OPTIMIZE, 2);
  seccomp_attr_set(filter.get(), SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
  const int result = rules.failure() < 0 ? rules.failure() : seccomp_load(filter.get());
  if (result < 0) {
    return {"seccomp", State::Unavailable, std::string("cannot load the filter: ") + std::strerror(-result)};
  }
  return {"seccomp", State::InForce, allow_list ? "allow-list" : "deny-list, since the programs it starts inherit it"};
}

}  // namespace countersign::confinement
