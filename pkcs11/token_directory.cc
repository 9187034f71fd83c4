#include "pkcs11/token_directory.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <optional>
#include <utility>

#include "common/digest.h"
#include "common/durable_file.h"
#include "common/softhsm_conf.h"
#include "pkcs11/failure.h"

namespace countersign::pkcs11 {
namespace {

namespace fs = std::filesystem;

// A login writes 320 bytes; a file system with less than this is about to answer ENOSPC, which SoftHSM 2.6.1 swallows.
constexpr std::uint64_t kLeastFree = std::uint64_t{1} << 20;
constexpr std::size_t kLargestObject = std::size_t{1} << 20;
// Another program's login leaves the file empty for microseconds; we look again this often before calling it lost.
constexpr int kLooks = 20;
constexpr timespec kBetweenLooks = {0, 5'000'000};

Error unavailable(const std::string& act, const std::string& path) {
  const int cause = errno;
  return Error{cause == ENOENT ? ErrorCode::NotFound : ErrorCode::Unavailable,
               "cannot " + act + " " + path + ": " + std::strerror(cause)};
}

// SoftHSM's file format: an eight-byte generation, then attributes of type, kind and value, big-endian. A file cut off
// by a crash does not end at the end of an attribute.
bool is_whole(std::string_view content) {
  std::size_t at = 0;
  const auto number = [&]() -> std::optional<std::uint64_t> {
    if (content.size() - at < 8) return std::nullopt;
    std::uint64_t value = 0;
    for (int i = 0; i < 8; ++i) value = value << 8 | static_cast<std::uint8_t>(content[at++]);
    return value;
  };
  enum Kind : std::uint64_t { Boolean = 1, Number = 2, Text = 3 };
  if (!number()) return false;
  std::size_t attributes = 0;
  for (; at < content.size(); ++attributes) {
    const std::optional<std::uint64_t> type = number();
    const std::optional<std::uint64_t> kind = type ? number() : std::nullopt;
    if (!kind) return false;
    std::optional<std::uint64_t> size;
    if (*kind == Boolean) size = 1;
    if (*kind == Number) size = 8;
    if (*kind == Text) size = number();
    if (!size || *size > content.size() - at) return false;
    at += *size;
  }
  return attributes > 0;
}

// Empty where there is none.
std::string content_of(const std::string& path) {
  Result<std::string> content = read_file(path, kLargestObject);
  return content ? *std::move(content) : std::string();
}

std::string settled_content(const std::string& path) {
  std::string content = content_of(path);
  for (int look = 1; content.empty() && look < kLooks; ++look) {
    nanosleep(&kBetweenLooks, nullptr);
    content = content_of(path);
  }
  return content;
}

// Set-up run by root leaves what it makes to the user whose holder needs it.
void give_to_owner_of(const std::string& model, const std::string& path) {
  struct stat facts {};
  if (geteuid() != 0 || stat(model.c_str(), &facts) != 0) return;
  if (lchown(path.c_str(), facts.st_uid, facts.st_gid) != 0) return;  // seen when the holder cannot open it
}

void give_tree_to_owner_of(const std::string& model, const std::string& tree) {
  std::error_code error;
  give_to_owner_of(model, tree);
  for (fs::recursive_directory_iterator at(tree, error), end; !error && at != end; at.increment(error)) {
    give_to_owner_of(model, at->path().string());
  }
}

Status write_for_owner(const std::string& directory, const std::string& path, std::string_view content) {
  RETURN_IF_ERROR(write_durable(path, content, 0600));
  give_to_owner_of(directory, path);
  return ok();
}

Status sync_file(const std::string& path) {
  const int file = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
  if (file < 0) return unavailable("open", path);
  const int synced = fsync(file);
  const Status status = synced == 0 ? ok() : Status(unavailable("sync", path));
  close(file);
  return status;
}

// The folders of the tokens: each a UUID.
Result<std::vector<fs::path>> token_folders(const std::string& directory) {
  std::vector<fs::path> folders;
  std::error_code error;
  for (fs::directory_iterator at(directory, error), end; !error && at != end; at.increment(error)) {
    if (at->is_directory() && !at->is_symlink()) folders.push_back(at->path());
  }
  if (error) {
    return Error{ErrorCode::Unavailable, "cannot list the token directory " + directory + ": " + error.message(),
                 std::string(kTokenNotFound)};
  }
  std::ranges::sort(folders);
  return folders;
}

std::string copies_of(const std::string& directory) {
  return directory + ".copies";
}
std::string copy_of(const std::string& directory, const fs::path& folder) {
  return copies_of(directory) + "/" + folder.filename().string() + "/token.object";
}

// What a kill left of write_durable.
void remove_leftovers(const fs::path& folder) {
  std::error_code ignored;
  for (fs::directory_iterator at(folder, ignored), end; !ignored && at != end; at.increment(ignored)) {
    const std::string name = at->path().filename().string();
    std::error_code unseen;
    if (name.starts_with("token.object.") && name.ends_with(".tmp")) fs::remove(at->path(), unseen);
  }
}

// Reading is enough to lock, so that several users of one token can share the file.
Result<LockedFile> locked(const std::string& path, const std::string& owner_model) {
  ASSIGN_OR_RETURN(LockedFile file, LockedFile::open(path, O_RDONLY, 0640, LockedFile::Wait::Yes));
  struct stat facts {};
  if (fstat(file.descriptor(), &facts) == 0 && facts.st_uid == 0) give_to_owner_of(owner_model, path);
  return file;
}

}  // namespace

Result<std::string> softhsm_token_directory(const std::string& conf) {
  ASSIGN_OR_RETURN(const std::string text, read_file(conf));
  const std::string value = softhsm_tokendir(text);
  if (!value.starts_with('/')) {
    return Error{ErrorCode::Invalid, conf + " names no absolute directories.tokendir"};
  }
  // A directory that was moved away still has its lock.
  std::error_code error;
  const fs::path canonical = fs::weakly_canonical(value, error);
  if (error) return Error{ErrorCode::Unavailable, "cannot resolve " + value + ": " + error.message()};
  std::string directory = canonical.string();
  while (directory.size() > 1 && directory.ends_with('/')) directory.pop_back();
  return directory;
}

Result<TokenDirectoryGuard> TokenDirectoryGuard::lock(const TokenPlace& place) {
  if (!place.softhsm_conf.empty()) {
    ASSIGN_OR_RETURN(std::string directory, softhsm_token_directory(place.softhsm_conf));
    ASSIGN_OR_RETURN(LockedFile file, locked(directory + ".lock", directory));
    return TokenDirectoryGuard(std::move(directory), std::move(file));
  }
  std::error_code error;
  const std::string real_module = fs::weakly_canonical(place.module, error).string();
  if (real_module.find("softhsm") != std::string::npos) {
    return Error{ErrorCode::Invalid, "SoftHSM needs SOFTHSM2_CONF among the token's environment", "",
                 "name its configuration, so that its token directory can be guarded"};
  }
  const std::string& token = place.serial.empty() ? place.label : place.serial;
  const std::string name = sha256({view_of(real_module), view_of(std::string_view("\0", 1)), view_of(token)}).hex();
  ASSIGN_OR_RETURN(LockedFile file,
                   locked(place.lock_folder + "/countersign-" + name.substr(0, 16) + ".lock", place.lock_folder));
  return TokenDirectoryGuard("", std::move(file));
}

Status TokenDirectoryGuard::before_login() {
  if (directory_.empty()) return ok();
  ASSIGN_OR_RETURN(const std::vector<fs::path> folders, token_folders(directory_));
  struct statvfs space {};
  if (statvfs(directory_.c_str(), &space) != 0) return unavailable("look at the file system of", directory_);
  const std::uint64_t free = std::uint64_t{space.f_bavail} * space.f_frsize;
  if (free < kLeastFree) {
    return Error{ErrorCode::Unavailable,
                 "the file system of " + directory_ + " has " + std::to_string(free) +
                     " bytes free; a login needs 1 MiB, since SoftHSM rewrites token.object at each",
                 std::string(kDiskNearlyFull), "free some space"};
  }
  for (const fs::path& folder : folders) {
    remove_leftovers(folder);
    const std::string object = folder / "token.object";
    const std::string copy = copy_of(directory_, folder);
    remove_leftovers(fs::path(copy).parent_path());
    const std::string content = settled_content(object);
    if (is_whole(content)) {
      if (content == content_of(copy)) continue;
      RETURN_IF_ERROR(write_for_owner(directory_, copy, content));
      give_to_owner_of(directory_, copies_of(directory_));
      give_to_owner_of(directory_, fs::path(copy).parent_path());
    } else if (content.empty()) {
      RETURN_IF_ERROR(restore(folder));
    }
    // Anything else is a format we do not know: SoftHSM judges it, and the last good copy stays.
  }
  return ok();
}

Status TokenDirectoryGuard::restore(const fs::path& folder) {
  const std::string saved = content_of(copy_of(directory_, folder));
  if (!is_whole(saved)) {
    lost_.push_back(folder.filename().string());
    return ok();  // a token being made has neither; finding it says whether it was needed
  }
  RETURN_IF_ERROR(write_for_owner(directory_, folder / "token.object", saved));
  restored_.push_back(folder.filename().string());
  return ok();
}

Status TokenDirectoryGuard::after_login() {
  if (directory_.empty()) return ok();
  ASSIGN_OR_RETURN(const std::vector<fs::path> folders, token_folders(directory_));
  const std::size_t restored_before = restored_.size();
  for (const fs::path& folder : folders) {
    const std::string object = folder / "token.object";
    if (!settled_content(object).empty()) {
      RETURN_IF_ERROR(sync_file(object));
    } else if (std::ranges::find(lost_, folder.filename().string()) == lost_.end()) {
      RETURN_IF_ERROR(restore(folder));
    }
  }
  if (restored_.size() == restored_before) return ok();
  return Error{ErrorCode::Unavailable,
               "the login left token.object empty in " + directory_ + "/" + restored_.back() + "; it was restored",
               std::string(kTokenNotWritten), "look for a full or failing disk"};
}

Status TokenDirectoryGuard::before_change() {
  if (directory_.empty()) return ok();
  const std::string kept = directory_ + ".before-change";
  const std::string fresh = kept + ".new";
  const std::string old = kept + ".old";
  std::error_code error;
  fs::remove_all(fresh, error);
  fs::remove_all(old, error);
  fs::copy(directory_, fresh, fs::copy_options::recursive | fs::copy_options::copy_symlinks, error);
  if (error) return Error{ErrorCode::Unavailable, "cannot copy " + directory_ + ": " + error.message()};
  fs::permissions(fresh, fs::perms::owner_all, error);
  give_tree_to_owner_of(directory_, fresh);
  RETURN_IF_ERROR(sync_tree(fresh));
  if (rename(kept.c_str(), old.c_str()) != 0 && errno != ENOENT) return unavailable("rename", kept);
  if (rename(fresh.c_str(), kept.c_str()) != 0) return unavailable("rename", fresh);
  fs::remove_all(old, error);
  return sync_directory(fs::path(kept).parent_path().string());
}

Status TokenDirectoryGuard::after_change() {
  if (directory_.empty()) return ok();
  give_tree_to_owner_of(directory_, directory_);
  return sync_tree(directory_);
}

Status TokenDirectoryGuard::forget_change() {
  if (directory_.empty()) return ok();
  const std::string kept = directory_ + ".before-change";
  std::error_code error;
  fs::remove_all(kept, error);
  if (error) return Error{ErrorCode::Unavailable, "cannot remove " + kept + ": " + error.message()};
  return sync_directory(fs::path(kept).parent_path().string());
}

Result<std::vector<TokenDirectoryFinding>> inspect_token_directory(const std::string& directory) {
  ASSIGN_OR_RETURN(const std::vector<fs::path> folders, token_folders(directory));
  std::vector<TokenDirectoryFinding> findings;
  for (const fs::path& folder : folders) {
    std::error_code error;
    for (fs::directory_iterator at(folder, error), end; !error && at != end; at.increment(error)) {
      const fs::path& path = at->path();
      if (path.extension() != ".object" || !settled_content(path).empty()) continue;
      const bool token = path.filename() == "token.object";
      findings.push_back(
          {path.string(),
           token ? "the token's own file is empty or unreadable" : "a key's or object's file is empty or unreadable",
           token ? "starting a holder restores it from its copy" : "restore it from a backup of the token directory"});
    }
    if (error) findings.push_back({folder.string(), "cannot be listed: " + error.message(), "check its owner"});
    if (!is_whole(content_of(copy_of(directory, folder)))) {
      findings.push_back({folder.string(), "no copy of token.object is kept", "start a holder on it once"});
    }
  }
  return findings;
}

}  // namespace countersign::pkcs11
