#include "signer/supervisor/state_lock.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "common/durable_file.h"

namespace countersign::supervisor {
namespace {

std::string holder_in(const std::string& path) {
  const Result<std::string> pid = read_file(path, 32);
  return pid ? pid->substr(0, pid->find('\n')) : "unknown";
}

}  // namespace

Result<StateLock> StateLock::take(const std::string& state, uid_t owner) {
  struct stat facts {};
  if (lstat(state.c_str(), &facts) != 0) {
    return Error{ErrorCode::NotFound, "there is no state directory " + state, "state_missing",
                 "countersignd init --config FILE makes one for trying out"};
  }
  if (!S_ISDIR(facts.st_mode) || facts.st_uid != owner || (facts.st_mode & 077) != 0) {
    return Error{ErrorCode::Refused,
                 state + " must be a directory of uid " + std::to_string(owner) + " that nobody else can enter",
                 "state_not_private", "chown and chmod 0700 " + state};
  }
  const std::string path = state + "/supervisor.lock";
  Result<LockedFile> lock = LockedFile::open(path, O_RDWR, 0600, LockedFile::Wait::No);
  if (!lock && lock.error().reason == "locked") {
    return Error{ErrorCode::Conflict, "another countersignd (pid " + holder_in(path) + ") runs on " + state,
                 "already_running", "Stop that one first: `systemctl stop countersignd`, or SIGTERM."};
  }
  if (!lock) return std::move(lock).error();
  const int file = lock->descriptor();
  const std::string pid = std::to_string(getpid()) + "\n";
  if (ftruncate(file, 0) != 0 || pwrite(file, pid.data(), pid.size(), 0) != static_cast<ssize_t>(pid.size())) {
    return Error{ErrorCode::Unavailable, "cannot write " + path + ": " + std::strerror(errno)};
  }
  return StateLock(*std::move(lock));
}

}  // namespace countersign::supervisor
