#include "signer/ledger/place.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <string_view>

#include "signer/ledger/findings.h"

namespace countersign::ledger {
namespace {

// The size a SQLite file gives itself in its header (file format §1.3), 0 where there is no header.
std::uint64_t size_by_header(const std::string& path) {
  constexpr std::string_view kMagic("SQLite format 3\0", 16);
  std::string header(32, '\0');
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  const ssize_t got = file < 0 ? -1 : pread(file, header.data(), header.size(), 0);
  if (file >= 0) close(file);
  if (got != static_cast<ssize_t>(header.size()) || !header.starts_with(kMagic)) return 0;
  const auto number = [&header](std::size_t at, std::size_t bytes) {
    std::uint64_t value = 0;
    for (std::size_t i = 0; i < bytes; ++i) value = value << 8 | static_cast<unsigned char>(header[at + i]);
    return value;
  };
  const std::uint64_t page = number(16, 2) == 1 ? 65536 : number(16, 2);
  return page * number(28, 4);
}

}  // namespace

std::string lock_path(const std::string& ledger) {
  return ledger + ".lock";
}

bool is_there(const std::string& path) {
  struct stat found {};
  return lstat(path.c_str(), &found) == 0 || errno != ENOENT;
}

Error failed(const std::string& act, const std::string& path) {
  return Error{ErrorCode::Unavailable, "cannot " + act + " " + path + ": " + std::strerror(errno),
               errno == ENOSPC ? "ledger_full" : "ledger_failed",
               errno == ENOSPC ? "Make room on that disk." : "Is the folder there, and may this user write in it?"};
}

std::string folder_of(const std::string& path) {
  const std::string folder = std::filesystem::path(path).parent_path().string();
  return folder.empty() ? "." : folder;
}

Status check_length(const std::string& path) {
  struct stat log {};
  if (stat((path + "-wal").c_str(), &log) == 0 && log.st_size > 0) return ok();
  struct stat found {};
  if (stat(path.c_str(), &found) != 0) return failed("look at", path);
  if (static_cast<std::uint64_t>(found.st_size) >= size_by_header(path)) return ok();
  return truncated(path + " ends after " + std::to_string(found.st_size) + " bytes");
}

Error classified(Error error, const std::string& path) {
  if (error.reason != "ledger_corrupt" && error.reason != "ledger_forked") return error;
  struct stat found {};
  const bool known = stat(path.c_str(), &found) == 0;
  const auto size = known ? static_cast<std::uint64_t>(found.st_size) : 0;
  if (size < sizeof(std::uint8_t[512]) || size < size_by_header(path)) {
    return truncated(path + " ends after " + std::to_string(size) + " bytes");
  }
  if (error.reason == "ledger_forked") return error;
  return corrupt(std::move(error.detail));
}

Result<LockedFile> take_lock(const std::string& ledger) {
  Result<LockedFile> lock = LockedFile::open(lock_path(ledger), O_RDWR, 0600, LockedFile::Wait::No);
  if (lock) return lock;
  if (lock.error().reason != "locked") return Error{ErrorCode::Unavailable, lock.error().detail, "ledger_failed"};
  return Error{ErrorCode::Unavailable, "another process has the ledger open (" + lock_path(ledger) + " is locked)",
               "ledger_in_use", "Stop the other process; a ledger has one writer."};
}

}  // namespace countersign::ledger
