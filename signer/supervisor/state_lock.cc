#include "signer/supervisor/state_lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace countersign::supervisor {
namespace {

std::string holder_of(int descriptor) {
  char text[32] = {};
  const ssize_t got = pread(descriptor, text, sizeof text - 1, 0);
  std::string pid(text, got > 0 ? static_cast<std::size_t>(got) : 0);
  return pid.substr(0, pid.find('\n'));
}

}  // namespace

Result<StateLock> StateLock::take(const std::string& state) {
  struct stat facts {};
  if (lstat(state.c_str(), &facts) != 0) {
    return Error{ErrorCode::NotFound, "there is no state directory " + state, "state_missing",
                 "countersignd init --config FILE makes one for trying out"};
  }
  if (!S_ISDIR(facts.st_mode) || facts.st_uid != geteuid() || (facts.st_mode & 077) != 0) {
    return Error{ErrorCode::Refused, state + " must be a directory of this user that nobody else can enter",
                 "state_not_private", "chown and chmod 0700 " + state};
  }
  const std::string path = state + "/supervisor.lock";
  const int file = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (file < 0) return Error{ErrorCode::Unavailable, "cannot open " + path + ": " + std::strerror(errno)};
  StateLock lock(file);
  if (flock(file, LOCK_EX | LOCK_NB) != 0) {
    return Error{ErrorCode::Conflict, "another countersignd (pid " + holder_of(file) + ") runs on " + state,
                 "already_running"};
  }
  const std::string pid = std::to_string(getpid()) + "\n";
  if (ftruncate(file, 0) != 0 || pwrite(file, pid.data(), pid.size(), 0) != static_cast<ssize_t>(pid.size())) {
    return Error{ErrorCode::Unavailable, "cannot write " + path + ": " + std::strerror(errno)};
  }
  return lock;
}

StateLock::~StateLock() {
  if (descriptor_ >= 0) close(descriptor_);
}

std::string halt_record(const std::string& state, keymgmt::Role role) {
  return state + "/halted/" + std::string(keymgmt::name_of(role));
}

bool is_halted(const std::string& state, keymgmt::Role role) {
  struct stat facts {};
  return lstat(halt_record(state, role).c_str(), &facts) == 0 || errno != ENOENT;
}

}  // namespace countersign::supervisor
