#include "signer/process/started_process.h"

#include <fcntl.h>
#include <linux/close_range.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>

namespace countersign::process {
namespace {

constexpr int kFirst = 3;
constexpr int kNotFound = 127;

// By system call: glibc's functions of these names take locks, to change all threads of a process.
bool become_user(const ProcessUser& user) {
  return syscall(SYS_setgroups, user.groups.size(), user.groups.data()) == 0 &&
         syscall(SYS_setresgid, user.gid, user.gid, user.gid) == 0 &&
         syscall(SYS_setresuid, user.uid, user.uid, user.uid) == 0;
}

// Everything the child does between fork and exec is async-signal-safe.
[[noreturn]] void become(const Program& program, char* const* argv, char* const* environment, pid_t parent,
                         std::vector<int>& moved) {
  setsid();
  if (program.user && !become_user(*program.user)) _exit(kNotFound);
  // After the change of user, which takes the signal back (prctl(2)).
  if (program.parent_death_signal != 0) prctl(PR_SET_PDEATHSIG, program.parent_death_signal);
  if (getppid() != parent) _exit(kNotFound);  // it died before the line above
  const int input = program.input >= 0 ? program.input : open("/dev/null", O_RDONLY | O_CLOEXEC);
  if (input < 0 || dup2(input, STDIN_FILENO) < 0) _exit(kNotFound);
  if (program.output >= 0 && dup2(program.output, STDOUT_FILENO) < 0) _exit(kNotFound);
  if (program.error >= 0 && dup2(program.error, STDERR_FILENO) < 0) _exit(kNotFound);
  // First out of the way, so that no target overwrites a source that is still needed.
  const int clear = kFirst + static_cast<int>(moved.size());
  for (int& descriptor : moved) {
    descriptor = fcntl(descriptor, F_DUPFD, clear);
    if (descriptor < 0) _exit(kNotFound);
  }
  int target = kFirst;
  for (const int descriptor : moved) {
    if (dup2(descriptor, target++) < 0) _exit(kNotFound);
  }
  if (syscall(SYS_close_range, static_cast<unsigned>(clear), ~0U, 0U) != 0) _exit(kNotFound);
  for (int signal = 1; signal < NSIG; ++signal) ::signal(signal, SIG_DFL);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  execve(program.argv[0].c_str(), argv, environment);
  _exit(kNotFound);
}

std::vector<char*> pointers(const std::vector<std::string>& texts) {
  std::vector<char*> out;
  for (const std::string& text : texts) out.push_back(const_cast<char*>(text.c_str()));
  out.push_back(nullptr);
  return out;
}

// Sanitizers and coverage are told how to behave through the environment; no release build reads it.
std::vector<std::string> with_build_environment(std::vector<std::string> environment) {
#ifdef COUNTERSIGN_SANITIZED
  for (const char* name : {"ASAN_OPTIONS", "UBSAN_OPTIONS", "TSAN_OPTIONS", "LSAN_OPTIONS"}) {
    if (const char* value = std::getenv(name)) environment.push_back(std::string(name) + "=" + value);
  }
#endif
  return environment;
}

}  // namespace

Result<pid_t> start(const Program& program) {
  std::vector<char*> argv = pointers(program.argv);
  if (!program.title.empty()) argv[0] = const_cast<char*>(program.title.c_str());
  const std::vector<std::string> variables = with_build_environment(program.environment);
  const std::vector<char*> environment = pointers(variables);
  std::vector<int> moved = program.descriptors;
  const pid_t parent = getpid();
  const pid_t pid = fork();
  if (pid < 0) return Error{ErrorCode::Unavailable, std::string("cannot fork: ") + std::strerror(errno)};
  if (pid == 0) become(program, argv.data(), environment.data(), parent, moved);
  return pid;
}

Result<std::pair<int, int>> socket_pair(int type) {
  int ends[2];
  if (socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, ends) != 0) {
    return Error{ErrorCode::Unavailable, std::string("cannot make a socket pair: ") + std::strerror(errno)};
  }
  return std::pair(ends[0], ends[1]);
}

int descriptor_of(pid_t pid) {
  return static_cast<int>(syscall(SYS_pidfd_open, pid, 0U));
}

void close_descriptor(int& descriptor) {
  if (descriptor >= 0) close(descriptor);
  descriptor = -1;
}

}  // namespace countersign::process
