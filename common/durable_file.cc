#include "common/durable_file.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>

#include "common/digest.h"

namespace countersign {
namespace {

Error failed(const std::string& act, const std::string& path) {
  const int cause = errno;
  const ErrorCode code = cause == ENOENT                      ? ErrorCode::NotFound
                         : cause == ELOOP || cause == ENOTDIR ? ErrorCode::Refused
                                                              : ErrorCode::Unavailable;
  return Error{code, "cannot " + act + " " + path + ": " + std::strerror(cause)};
}

class Descriptor {
 public:
  explicit Descriptor(int number) : number_(number) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() {
    if (number_ >= 0) close(number_);
  }
  int number() const { return number_; }
  int release() { return std::exchange(number_, -1); }

 private:
  int number_;
};

std::string folder_of(const std::string& path) {
  const std::string folder = std::filesystem::path(path).parent_path().string();
  return folder.empty() ? "." : folder;
}

Status write_all(int descriptor, std::string_view content, const std::string& path) {
  while (!content.empty()) {
    const ssize_t wrote = write(descriptor, content.data(), content.size());
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote < 0) return failed("write", path);
    content.remove_prefix(static_cast<std::size_t>(wrote));
  }
  return ok();
}

Status make_folders(const std::string& folder) {
  std::filesystem::path so_far;
  for (const std::filesystem::path& part : std::filesystem::path(folder)) {
    so_far /= part;
    if (so_far.empty() || mkdir(so_far.c_str(), 0750) == 0 || errno == EEXIST || errno == EISDIR) continue;
    if (errno == EROFS && std::filesystem::is_directory(so_far)) continue;
    return failed("make the folder", so_far.string());
  }
  return ok();
}

}  // namespace

Status write_durable(const std::string& path, std::string_view content, mode_t mode) {
  struct stat existing {};
  if (lstat(path.c_str(), &existing) == 0 && !S_ISREG(existing.st_mode)) {
    return Error{ErrorCode::Refused, path + " is not a regular file, so it is not replaced"};
  }
  const std::string folder = folder_of(path);
  RETURN_IF_ERROR(make_folders(folder));
  const std::string temporary = path + "." + to_hex(random_bytes(6)) + ".tmp";
  Status written = [&]() -> Status {
    const Descriptor file(open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode));
    if (file.number() < 0) return failed("create", temporary);
    if (fchmod(file.number(), mode) != 0) return failed("set the mode of", temporary);
    RETURN_IF_ERROR(write_all(file.number(), content, temporary));
    if (fsync(file.number()) != 0) return failed("sync", temporary);
    return ok();
  }();
  if (written && rename(temporary.c_str(), path.c_str()) != 0) written = failed("rename to", path);
  if (!written) {
    unlink(temporary.c_str());
    return written;
  }
  return sync_directory(folder);
}

Status sync_directory(const std::string& path) {
  const Descriptor folder(open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (folder.number() < 0) return failed("open the folder", path);
  if (fsync(folder.number()) != 0) return failed("sync the folder", path);
  return ok();
}

Status sync_tree(const std::string& path) {
  std::error_code error;
  for (std::filesystem::recursive_directory_iterator at(path, error), end; !error && at != end; at.increment(error)) {
    if (at->is_symlink()) continue;
    if (at->is_directory()) {
      RETURN_IF_ERROR(sync_directory(at->path().string()));
    } else if (at->is_regular_file()) {
      const Descriptor file(open(at->path().c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC));
      if (file.number() < 0) return failed("open", at->path().string());
      if (fsync(file.number()) != 0) return failed("sync", at->path().string());
    }
  }
  if (error) return Error{ErrorCode::Unavailable, "cannot list " + path + ": " + error.message()};
  return sync_directory(path);
}

Result<std::string> read_file(const std::string& path, std::size_t limit) {
  const Descriptor file(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (file.number() < 0) return failed("open", path);
  struct stat facts {};
  if (fstat(file.number(), &facts) != 0) return failed("look at", path);
  if (!S_ISREG(facts.st_mode)) return Error{ErrorCode::Invalid, path + " is not a regular file"};
  std::string content;
  std::string buffer(64 * 1024, '\0');
  for (;;) {
    const ssize_t got = read(file.number(), buffer.data(), buffer.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return failed("read", path);
    if (got == 0) return content;
    content.append(buffer, 0, static_cast<std::size_t>(got));
    if (content.size() > limit) {
      return Error{ErrorCode::TooLarge, path + " is larger than " + std::to_string(limit) + " bytes"};
    }
  }
}

Result<int> open_private_file(const std::string& path) {
  Descriptor file(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  if (file.number() < 0) {
    if (errno == ELOOP) return Error{ErrorCode::Refused, path + " is a symbolic link; name the file itself"};
    return failed("open", path);
  }
  struct stat facts {};
  if (fstat(file.number(), &facts) != 0) return failed("look at", path);
  if (!S_ISREG(facts.st_mode)) return Error{ErrorCode::Refused, path + " is not a regular file"};
  if ((facts.st_mode & 077) != 0) {
    return Error{ErrorCode::Refused, path + " can be read or changed by others than its owner", "",
                 "chmod 0400 " + path};
  }
  if (facts.st_uid != 0 && facts.st_uid != geteuid()) {
    return Error{ErrorCode::Refused, path + " belongs to another user"};
  }
  return file.release();
}

}  // namespace countersign
