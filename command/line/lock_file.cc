#include "command/line/lock_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <ctime>
#include <filesystem>
#include <thread>
#include <utility>

namespace countersign::command {
namespace {

using std::chrono::steady_clock;

Error contention(std::string detail) {
  return Error{ErrorCode::Internal, std::move(detail), "lock_contention",
               "another evaluation writes this state: try again; if none runs, remove the lock file"};
}

enum class Attempt { Taken, Held, Failed };

Attempt create(const std::string& path) {
  const int file = ::open(path.c_str(), O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (file < 0) return errno == EEXIST ? Attempt::Held : Attempt::Failed;
  const std::string owner = std::to_string(::getpid()) + "\n";
  (void)!::write(file, owner.data(), owner.size());
  ::close(file);
  return Attempt::Taken;
}

bool is_stale(const struct stat& facts, std::chrono::seconds age) {
  return ::time(nullptr) - facts.st_mtim.tv_sec > age.count();
}

// Takes a stale lock away. Between the look and the move another process may have replaced it by its own: then that
// one is put back.
void remove_stale(const std::string& path, std::chrono::seconds age) {
  struct stat before {};
  if (::lstat(path.c_str(), &before) != 0 || !is_stale(before, age)) return;
  const std::string aside = path + ".stale." + std::to_string(::getpid());
  if (::rename(path.c_str(), aside.c_str()) != 0) return;
  struct stat moved {};
  const bool same = ::lstat(aside.c_str(), &moved) == 0 && moved.st_ino == before.st_ino && is_stale(moved, age);
  if (!same) (void)!::link(aside.c_str(), path.c_str());
  ::unlink(aside.c_str());
}

}  // namespace

Result<LockFile> LockFile::take(const std::string& path, const LockPatience& patience) {
  const std::filesystem::path folder = std::filesystem::path(path).parent_path();
  if (!folder.empty()) {
    std::error_code failure;
    const mode_t before = ::umask(027);
    std::filesystem::create_directories(folder, failure);
    ::umask(before);
    if (failure) return contention("make folder " + folder.string() + ": " + failure.message());
  }
  const auto until = steady_clock::now() + patience.wait;
  for (;;) {
    const Attempt attempt = create(path);
    if (attempt == Attempt::Taken) return LockFile(path);
    if (attempt == Attempt::Failed) return contention("make lock " + path + ": " + std::strerror(errno));
    remove_stale(path, patience.stale);
    if (create(path) == Attempt::Taken) return LockFile(path);
    if (steady_clock::now() >= until) return contention("lock contention: " + path + " is held by another process");
    std::this_thread::sleep_for(patience.poll);
  }
}

LockFile::LockFile(LockFile&& other) noexcept : path_(std::exchange(other.path_, {})) {}

LockFile::~LockFile() {
  if (!path_.empty()) ::unlink(path_.c_str());
}

}  // namespace countersign::command
