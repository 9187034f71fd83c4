#include "signer/log/log_folder.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstring>
#include <filesystem>

#include "common/durable_file.h"

namespace countersign::log {
namespace {

namespace fs = std::filesystem;

constexpr mode_t kFolderMode = 0755;
constexpr mode_t kFileMode = 0644;

Error failed(const std::string& act, const std::string& path, int cause) {
  return Error{ErrorCode::Unavailable, "cannot " + act + " " + path + ": " + std::strerror(cause), "log_unwritable",
               cause == ENOSPC ? "Make room on the disk: the log goes on by itself." : ""};
}

// With its parents. mkdir's mode is the umask's; what the log holds is public.
Status make_folder(const std::string& path) {
  std::error_code error;
  fs::create_directories(path, error);
  if (error) return failed("make the folder", path, error.value());
  return ok();
}

class Descriptor {
 public:
  explicit Descriptor(int number) : number_(number) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() {
    if (number_ >= 0) ::close(number_);
  }
  int number() const { return number_; }

 private:
  int number_;
};

Status write_all(int descriptor, std::string_view bytes, const std::string& path) {
  while (!bytes.empty()) {
    const ssize_t wrote = ::write(descriptor, bytes.data(), bytes.size());
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote < 0) return failed("write", path, errno);
    bytes.remove_prefix(static_cast<std::size_t>(wrote));
  }
  return ok();
}

}  // namespace

Result<LogFolder> LogFolder::open(const std::string& folder) {
  RETURN_IF_ERROR(make_folder(folder));
  ::chmod(folder.c_str(), kFolderMode);
  Result<LockedFile> lock = LockedFile::open(folder + "/lock", O_RDWR, 0600, LockedFile::Wait::No);
  if (!lock && lock.error().code == ErrorCode::Conflict) {
    return Error{ErrorCode::Conflict, "another process writes the log in " + folder, "log_in_use",
                 "One signer writes one log: give each its own log.directory."};
  }
  if (!lock) return lock.error();
  std::error_code ignored;
  fs::remove_all(folder + "/tmp", ignored);
  RETURN_IF_ERROR(make_folder(folder + "/tmp"));
  return LogFolder(folder, *std::move(lock));
}

Status LogFolder::write(const TileId& id, std::string_view bytes) {
  const std::string target = path() + "/" + id.path();
  const std::string temporary = path() + "/tmp/tile";
  {
    const Descriptor file(::open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, kFileMode));
    if (file.number() < 0) return failed("create", temporary, errno);
    ::fchmod(file.number(), kFileMode);
    RETURN_IF_ERROR(write_all(file.number(), bytes, temporary));
  }
  if (::rename(temporary.c_str(), target.c_str()) == 0) return ok();
  if (errno != ENOENT) return failed("write", target, errno);
  RETURN_IF_ERROR(make_folder(fs::path(target).parent_path().string()));
  if (::rename(temporary.c_str(), target.c_str()) != 0) return failed("write", target, errno);
  return ok();
}

void LogFolder::drop_partials(const TileId& full) {
  std::error_code ignored;
  fs::remove_all(path() + "/" + full.full().path() + ".p", ignored);
}

Result<std::optional<std::string>> LogFolder::checkpoint() const {
  Result<std::string> note = source_.read("checkpoint");
  if (note) return std::optional<std::string>(*std::move(note));
  if (note.error().code == ErrorCode::NotFound) return std::optional<std::string>();
  return note.error();
}

Status LogFolder::publish(const std::optional<std::string>& expected, std::string_view note) {
  ASSIGN_OR_RETURN(const std::optional<std::string> present, checkpoint());
  if (present != expected) {
    return Error{ErrorCode::Conflict,
                 "the checkpoint in " + path() + " is not the one that was published last; somebody else wrote there",
                 "log_checkpoint_swapped",
                 "Keep the file for the investigation, find out who writes there, and start the signer again: it "
                 "compares the checkpoint with the ledger before it publishes."};
  }
  return write_durable(path() + "/checkpoint", note, kFileMode);
}

Status LogFolder::remember(const std::string& day, const Json& line) {
  RETURN_IF_ERROR(make_folder(path() + "/history"));
  const std::string file_path = path() + "/history/" + day + ".jsonl";
  const Descriptor file(::open(file_path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_CLOEXEC, kFileMode));
  if (file.number() < 0) return failed("open", file_path, errno);
  return write_all(file.number(), line.compact() + "\n", file_path);
}

Status LogFolder::sync(std::uint64_t size) {
  const Descriptor folder(::open(path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (folder.number() < 0) return failed("open", path(), errno);
  if (::syncfs(folder.number()) != 0) return failed("sync", path(), errno);
  return write_durable(path() + "/synced", std::to_string(size) + "\n", kFileMode);
}

std::uint64_t LogFolder::synced() const {
  const Result<std::string> text = source_.read("synced");
  std::uint64_t size = 0;
  if (!text) return 0;
  const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), size);
  return error == std::errc() && end + 1 == text->data() + text->size() ? size : 0;
}

}  // namespace countersign::log
