#include "common/locked_file.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace countersign {

Result<LockedFile> LockedFile::open(const std::string& path, int access, mode_t mode, Wait wait) {
  const int descriptor = ::open(path.c_str(), access | O_CREAT | O_NOFOLLOW | O_CLOEXEC, mode);
  if (descriptor < 0) {
    return Error{ErrorCode::Unavailable, "cannot open the lock file " + path + ": " + std::strerror(errno)};
  }
  LockedFile file(descriptor);
  while (flock(descriptor, wait == Wait::Yes ? LOCK_EX : LOCK_EX | LOCK_NB) != 0) {
    if (errno == EINTR) continue;
    if (errno == EWOULDBLOCK) return Error{ErrorCode::Conflict, "another process holds " + path, "locked"};
    return Error{ErrorCode::Unavailable, "cannot lock " + path + ": " + std::strerror(errno)};
  }
  return file;
}

LockedFile::~LockedFile() {
  if (descriptor_ >= 0) close(descriptor_);  // which unlocks
}

}  // namespace countersign
