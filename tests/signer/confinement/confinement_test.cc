#include "signer/confinement/confinement.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/io_uring.h>
#include <sched.h>
#include <seccomp.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <fstream>
#include <functional>
#include <map>
#include <sstream>
#include <thread>

#include "tests/support/temporary_folder.h"

namespace countersign::confinement {
namespace {

constexpr int kRefused = 40;  // exit status of a child whose call was answered with an error
constexpr int kNobody = 65534;

// Runs `body` in a child and gives waitpid's status; the child exits with what `body` returns.
int in_child(const std::function<int()>& body) {
  const pid_t child = fork();
  if (child == 0) {
    alarm(30);
    _exit(body());
  }
  int status = 0;
  waitpid(child, &status, 0);
  return status;
}

bool was_killed_by_filter(int status) {
  return WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS;
}

// A child that waits, confined, while its parent looks at it.
class WaitingChild {
 public:
  explicit WaitingChild(const std::function<bool()>& prepare) {
    int ready[2];
    int stop[2];
    if (pipe(ready) != 0 || pipe(stop) != 0) std::abort();
    pid_ = fork();
    if (pid_ == 0) {
      close(ready[0]);
      close(stop[1]);
      char byte = prepare() ? 'y' : 'n';
      if (write(ready[1], &byte, 1) != 1) _exit(1);
      _exit(read(stop[0], &byte, 1) == 0 ? 0 : 1);
    }
    close(ready[1]);
    close(stop[0]);
    stop_ = stop[1];
    char byte = 'n';
    prepared_ = read(ready[0], &byte, 1) == 1 && byte == 'y';
    close(ready[0]);
  }
  ~WaitingChild() {
    close(stop_);
    waitpid(pid_, nullptr, 0);
  }
  bool prepared() const { return prepared_; }
  pid_t pid() const { return pid_; }
  std::map<std::string, std::string> status() const {
    std::ifstream file("/proc/" + std::to_string(pid_) + "/status");
    std::map<std::string, std::string> lines;
    for (std::string line; std::getline(file, line);) {
      const std::size_t colon = line.find(":\t");
      if (colon != std::string::npos) lines[line.substr(0, colon)] = line.substr(colon + 2);
    }
    return lines;
  }

 private:
  pid_t pid_ = -1;
  int stop_ = -1;
  bool prepared_ = false;
};

#define SKIP_IN_SANITIZER_BUILDS() \
  if (is_sanitized_build()) GTEST_SKIP() << "seccomp, Landlock and the ptrace ban are off in sanitizer builds"

TEST(Confinement, IsSeenFromOutside) {
  SKIP_IN_SANITIZER_BUILDS();
  for (const ProcessKind kind :
       {ProcessKind::Supervisor, ProcessKind::Front, ProcessKind::Holder, ProcessKind::Notifier}) {
    const WaitingChild child([kind] { return confine({.kind = kind}).has_value(); });
    ASSERT_TRUE(child.prepared()) << name_of(kind);
    const auto status = child.status();
    EXPECT_EQ(status.at("NoNewPrivs"), "1") << name_of(kind);
    EXPECT_EQ(status.at("Seccomp"), "2") << name_of(kind);
    for (const char* set : {"CapInh", "CapPrm", "CapEff", "CapAmb"}) {
      EXPECT_EQ(status.at(set), "0000000000000000") << name_of(kind) << set;
    }
    if (geteuid() == 0) {
      EXPECT_EQ(status.at("CapBnd"), "0000000000000000") << name_of(kind);
    }
    std::ifstream limits("/proc/" + std::to_string(child.pid()) + "/limits");
    bool none = false;
    for (std::string line; std::getline(limits, line);) {
      if (line.rfind("Max core file size", 0) == 0) {
        std::istringstream words(line.substr(18));
        std::string soft;
        std::string hard;
        words >> soft >> hard;
        none = soft == "0" && hard == "0";
      }
    }
    EXPECT_TRUE(none) << name_of(kind);
  }
}

struct ForbiddenAct {
  const char* name;
  std::function<int()> act;  // 0: it worked
  bool supervisor, front, holder, notifier;
};

int result_of(long value) {
  return value >= 0 ? 0 : kRefused;
}

const ForbiddenAct kForbidden[] = {
    {"execve",
     [] {
       const char* const argv[] = {"/bin/true", nullptr};
       return result_of(execve("/bin/true", const_cast<char* const*>(argv), environ));
     },
     true, false, false, true},
    {"fork",
     [] {
       const pid_t child = fork();
       if (child == 0) _exit(0);
       if (child > 0) waitpid(child, nullptr, 0);
       return result_of(child);
     },
     true, false, false, true},
    {"thread",
     [] {
       std::thread([] {}).join();
       return 0;
     },
     true, true, false, true},
    {"socket AF_UNIX", [] { return result_of(socket(AF_UNIX, SOCK_STREAM, 0)); }, true, true, true, true},
    {"socket AF_INET", [] { return result_of(socket(AF_INET, SOCK_STREAM, 0)); }, true, false, false, true},
    {"io_uring_setup",
     [] {
       io_uring_params parameters{};
       return result_of(syscall(SYS_io_uring_setup, 1, &parameters));
     },
     false, false, false, false},
    {"ptrace", [] { return result_of(ptrace(PTRACE_TRACEME, 0, nullptr, nullptr)); }, false, false, false, false},
    {"process_vm_readv", [] { return result_of(syscall(SYS_process_vm_readv, getpid(), nullptr, 0, nullptr, 0, 0)); },
     false, false, false, false},
    {"executable memory",
     [] {
       void* memory = mmap(nullptr, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
       return result_of(memory == MAP_FAILED ? -1 : 0);
     },
     true, false, false, true},
    {"plain memory",
     [] {
       void* memory = mmap(nullptr, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
       return result_of(memory == MAP_FAILED ? -1 : 0);
     },
     true, true, true, true},
    {"becoming dumpable again", [] { return result_of(prctl(PR_SET_DUMPABLE, 1)); }, true, false, false, true},
    {"a signal to the parent", [] { return result_of(kill(getppid(), 0)); }, true, false, false, true},
    {"unshare", [] { return result_of(unshare(CLONE_FS)); }, false, false, false, false},
};

TEST(Confinement, KillsWhatTheKindHasNoBusinessWithAndNothingElse) {
  SKIP_IN_SANITIZER_BUILDS();
  for (const ForbiddenAct& row : kForbidden) {
    const struct {
      ProcessKind kind;
      bool allowed;
    } cases[] = {{ProcessKind::Supervisor, row.supervisor},
                 {ProcessKind::Front, row.front},
                 {ProcessKind::Holder, row.holder},
                 {ProcessKind::Notifier, row.notifier}};
    for (const auto& expected : cases) {
      const int status = in_child([&] {
        Needs needs{.kind = expected.kind};
        if (expected.kind == ProcessKind::Notifier) needs.execute = {"/usr", "/lib", "/lib64", "/bin"};
        if (!confine(needs)) return 41;
        return row.act();
      });
      if (expected.allowed) {
        EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0)
            << name_of(expected.kind) << ": " << row.name << " status " << status;
      } else {
        EXPECT_TRUE(was_killed_by_filter(status)) << name_of(expected.kind) << ": " << row.name << " status " << status;
      }
    }
  }
}

TEST(Confinement, LetsANetworkTokensHolderReachTheNetwork) {
  SKIP_IN_SANITIZER_BUILDS();
  const int status = in_child([] {
    if (!confine({.kind = ProcessKind::Holder, .reach = Reach::Network})) return 41;
    return result_of(socket(AF_INET, SOCK_STREAM, 0));
  });
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
}

bool kernel_has_landlock() {
  return syscall(SYS_landlock_create_ruleset, nullptr, 0, 1) >= 2;
}

TEST(Confinement, LeavesAHolderItsFilesAlone) {
  SKIP_IN_SANITIZER_BUILDS();
  if (!kernel_has_landlock()) GTEST_SKIP() << "this kernel has no Landlock";
  const test::TemporaryFolder own;
  const test::TemporaryFolder read;
  const test::TemporaryFolder other;
  std::ofstream(read / "conf") << "x";
  std::ofstream(other / "secret") << "x";
  mkdir((own / "a").c_str(), 0700);
  mkdir((own / "b").c_str(), 0700);
  const auto confined = [&](const std::function<int()>& act) {
    return in_child([&] {
      const Result<Report> report = confine(
          {.kind = ProcessKind::Holder, .read_only = {read / "conf", "/no/such/file"}, .read_write = {own.path()}});
      if (!report || !report->in_force("landlock")) return 41;
      return act();
    });
  };
  const auto opens = [](const std::string& path, int flags) {
    return open(path.c_str(), flags | O_CLOEXEC, 0600) >= 0 ? 0 : errno == EACCES ? kRefused : 42;
  };
  EXPECT_EQ(WEXITSTATUS(confined([&] { return opens(own / "a/new", O_CREAT | O_RDWR | O_TRUNC); })), 0);
  EXPECT_EQ(WEXITSTATUS(confined([&] { return rename((own / "a/new").c_str(), (own / "b/new").c_str()); })), 0);
  EXPECT_EQ(WEXITSTATUS(confined([&] { return unlink((own / "b/new").c_str()); })), 0);
  EXPECT_EQ(WEXITSTATUS(confined([&] { return opens(read / "conf", O_RDONLY); })), 0);
  EXPECT_EQ(WEXITSTATUS(confined([&] { return opens(read / "conf", O_RDWR); })), kRefused);
  EXPECT_EQ(WEXITSTATUS(confined([&] { return opens(other / "secret", O_RDONLY); })), kRefused);
  EXPECT_EQ(WEXITSTATUS(confined([&] { return opens(other / "new", O_CREAT | O_RDWR); })), kRefused);
  EXPECT_EQ(WEXITSTATUS(confined([&] { return opens("/etc/passwd", O_RDONLY); })), kRefused);
  EXPECT_EQ(WEXITSTATUS(confined([&] { return opens("/proc/self/environ", O_RDONLY); })), kRefused);
}

// What a tracer of the same user gets when it attaches to a child that ran `prepare`: 0 or an errno.
int attach_as_same_user(const std::function<bool()>& prepare) {
  const int status = in_child([&] {
    if (geteuid() == 0 && (setgid(kNobody) != 0 || setuid(kNobody) != 0)) return 100;
    prctl(PR_SET_DUMPABLE, 1);  // setuid took it away; the tracer itself is an ordinary process
    const WaitingChild child(prepare);
    if (!child.prepared()) return 101;
    if (ptrace(PTRACE_SEIZE, child.pid(), nullptr, nullptr) == 0) return 0;
    return errno;
  });
  return WIFEXITED(status) ? WEXITSTATUS(status) : 102;
}

TEST(Confinement, RefusesATracerOfTheSameUser) {
  SKIP_IN_SANITIZER_BUILDS();
  EXPECT_EQ(attach_as_same_user([] { return true; }), 0) << "the tracer must be able to trace an ordinary process";
  EXPECT_EQ(attach_as_same_user([] {
              forbid_inspection();
              return true;
            }),
            EPERM);
  EXPECT_EQ(attach_as_same_user([] { return confine({.kind = ProcessKind::Front}).has_value(); }), EPERM);
}

TEST(Confinement, IsInForceForAnOrdinaryUser) {
  const bool had_bounding_set = prctl(PR_CAPBSET_READ, 0) == 1;
  const int status = in_child([had_bounding_set] {
    if (geteuid() == 0 && (setgid(kNobody) != 0 || setuid(kNobody) != 0)) return 100;
    const Result<Report> report = confine({.kind = ProcessKind::Holder});
    if (!report) return 101;
    // Without CAP_SETPCAP the bounding set stays, and the report says so.
    if (had_bounding_set && report->to_json().text("no_capabilities").find("as it was") == std::string_view::npos) {
      return 103;
    }
    return report->in_force("no_capabilities") && report->in_force("no_new_privs") &&
                   report->in_force("no_core_dumps") &&
                   (is_sanitized_build() || (report->in_force("seccomp") && report->in_force("not_dumpable")))
               ? 0
               : 102;
  });
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
}

// As in a container runtime that forbids filters.
bool forbid_filters() {
  scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
  seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(seccomp), 0);
  seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(prctl), 1, SCMP_A0(SCMP_CMP_EQ, PR_SET_SECCOMP));
  const bool loaded = seccomp_load(filter) == 0;
  seccomp_release(filter);
  return loaded;
}

TEST(Confinement, IsRefusedWhereAMandatoryMeasureIsMissingAndReportedOtherwise) {
  SKIP_IN_SANITIZER_BUILDS();
  EXPECT_EQ(in_child([] {
              if (!forbid_filters()) return 41;
              const Result<Report> refused = confine({.kind = ProcessKind::Holder, .mandatory = true});
              return !refused && refused.error().reason == "confinement_missing" &&
                             refused.error().detail.find("seccomp") != std::string::npos
                         ? 0
                         : 42;
            }),
            0);
  EXPECT_EQ(in_child([] {
              if (!forbid_filters()) return 41;
              const Result<Report> report = confine({.kind = ProcessKind::Holder, .mandatory = false});
              return report && !report->in_force("seccomp") &&
                             report->to_json().text("seccomp").rfind("unavailable: ", 0) == 0
                         ? 0
                         : 42;
            }),
            0);
}

TEST(Confinement, ReportsEveryMeasureByName) {
  const int status = in_child([] {
    const Result<Report> report = confine({.kind = ProcessKind::Holder});
    if (!report) return 41;
    const Json json = report->to_json();
    for (const char* name : {"process", "no_core_dumps", "not_dumpable", "no_ptracer", "no_new_privs",
                             "no_capabilities", "memory_locked", "landlock", "seccomp"}) {
      if (json.text(name).empty()) return 42;
    }
    const bool says_off = json.text("seccomp") == "off: sanitizer build";
    return says_off == is_sanitized_build() ? 0 : 43;
  });
  EXPECT_EQ(status, 0);
}

}  // namespace
}  // namespace countersign::confinement
