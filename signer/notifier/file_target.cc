#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "signer/notifier/target.h"
#include "signer/process/started_process.h"

namespace countersign::notifier {
namespace {

Status append_whole(int file, const std::string& line, const std::string& name) {
  struct stat facts {};
  if (fstat(file, &facts) != 0 || !S_ISREG(facts.st_mode)) {
    return Error{ErrorCode::Refused, name + " is not a regular file"};
  }
  if ((facts.st_mode & 077) != 0 && fchmod(file, 0600) != 0) {
    return Error{ErrorCode::Refused, name + " can be read by others"};
  }
  std::size_t written = 0;
  while (written < line.size()) {
    const ssize_t wrote = write(file, line.data() + written, line.size() - written);
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote <= 0) break;
    written += static_cast<std::size_t>(wrote);
  }
  if (written == line.size() && fsync(file) == 0) return ok();
  const std::string cause = std::strerror(errno);
  const bool taken_back = ftruncate(file, facts.st_size) == 0;
  return Error{ErrorCode::Unavailable,
               name + " cannot be written: " + cause + (taken_back ? "" : "; its last line may be torn")};
}

}  // namespace

Status append_to_file(const config::NotifyConfig& target, const Message& message) {
  const std::string name = name_of(target);
  int file = open(target.target.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
  if (file < 0) {
    const ErrorCode code = errno == ELOOP ? ErrorCode::Refused : ErrorCode::Unavailable;
    return Error{code, name + " cannot be opened: " + std::strerror(errno)};
  }
  flock(file, LOCK_EX);
  const Status written = append_whole(file, message.json + "\n", name);
  process::close_descriptor(file);
  return written;
}

}  // namespace countersign::notifier
