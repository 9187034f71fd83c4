#include "signer/ledger/lock_file.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace countersign::ledger {

// A file of its own: closing any descriptor of the ledger itself would drop SQLite's locks on it (fcntl(2)).
Result<LockFile> LockFile::take(const std::string& path) {
  const int descriptor = ::open(path.c_str(), O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
  if (descriptor < 0) {
    return Error{ErrorCode::Unavailable, "cannot open " + path + ": " + std::strerror(errno), "ledger_failed"};
  }
  LockFile lock(descriptor);
  if (flock(descriptor, LOCK_EX | LOCK_NB) != 0) {
    return Error{ErrorCode::Unavailable, "another process has the ledger open (" + path + " is locked)",
                 "ledger_in_use", "Stop the other process; a ledger has one writer."};
  }
  return lock;
}

LockFile::~LockFile() {
  if (descriptor_ >= 0) close(descriptor_);
}

}  // namespace countersign::ledger
