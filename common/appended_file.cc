#include "common/appended_file.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace countersign {
namespace {

Status append_whole(int file, std::string_view text, const std::string& path) {
  struct stat facts {};
  if (fstat(file, &facts) != 0 || !S_ISREG(facts.st_mode)) {
    return Error{ErrorCode::Refused, path + " is not a regular file"};
  }
  if ((facts.st_mode & 077) != 0 && fchmod(file, 0600) != 0) {
    return Error{ErrorCode::Refused, path + " can be read by others"};
  }
  std::size_t written = 0;
  while (written < text.size()) {
    const ssize_t wrote = write(file, text.data() + written, text.size() - written);
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote <= 0) break;
    written += static_cast<std::size_t>(wrote);
  }
  if (written == text.size() && fsync(file) == 0) return ok();
  const std::string cause = std::strerror(errno);
  const bool taken_back = ftruncate(file, facts.st_size) == 0;
  return Error{ErrorCode::Unavailable,
               path + " cannot be written: " + cause + (taken_back ? "" : "; its last line may be torn")};
}

}  // namespace

Status append_line(const std::string& path, std::string_view line) {
  const int file = open(path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
  if (file < 0) {
    const ErrorCode code = errno == ELOOP ? ErrorCode::Refused : ErrorCode::Unavailable;
    return Error{code, path + " cannot be opened: " + std::strerror(errno)};
  }
  flock(file, LOCK_EX);
  const Status written = append_whole(file, std::string(line) + "\n", path);
  close(file);
  return written;
}

}  // namespace countersign
