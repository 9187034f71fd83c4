#include "command/approval/token_storage.h"

#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <system_error>

namespace countersign::command {
namespace {

namespace fs = std::filesystem;

// statfs(2) f_type of file systems that other machines see. Those linux/magic.h lacks are from the kernel's own
// sources.
constexpr unsigned long kSharedFileSystems[] = {
    NFS_SUPER_MAGIC,  SMB_SUPER_MAGIC, CIFS_SUPER_MAGIC, SMB2_SUPER_MAGIC, AFS_SUPER_MAGIC,
    CODA_SUPER_MAGIC, V9FS_MAGIC,      CEPH_SUPER_MAGIC, FUSE_SUPER_MAGIC,
    0x0BD00BD0,  // Lustre
    0x01161970,  // GFS2
    0x7461636f,  // OCFS2
    0x47504653,  // GPFS
};

bool on_shared_storage(const fs::path& folder) {
  struct statfs facts {};
  if (::statfs(folder.c_str(), &facts) != 0) return false;
  return std::ranges::find(kSharedFileSystems, static_cast<unsigned long>(facts.f_type)) !=
         std::end(kSharedFileSystems);
}

}  // namespace

std::optional<std::string> storage_warning(const std::string& path) {
  std::error_code failure;
  const fs::path file = fs::weakly_canonical(fs::absolute(path, failure), failure);
  if (failure) return std::nullopt;
  fs::path folder = file.parent_path();
  while (!fs::exists(folder, failure) && folder != folder.root_path()) folder = folder.parent_path();
  if (on_shared_storage(folder)) return path + " lies on a shared file system: keep approval tokens on local storage";
  for (;; folder = folder.parent_path()) {
    if (fs::exists(folder / ".git", failure)) {
      return path + " lies in the git work tree " + folder.string() + ": keep approval tokens out of source control";
    }
    if (folder == folder.root_path()) return std::nullopt;
  }
}

std::optional<std::string> private_redirection(int descriptor) {
  struct stat facts {};
  if (::fstat(descriptor, &facts) != 0 || !S_ISREG(facts.st_mode)) return std::nullopt;
  if ((facts.st_mode & 077) != 0 && facts.st_uid == ::geteuid()) (void)::fchmod(descriptor, 0600);
  std::error_code failure;
  const fs::path file = fs::read_symlink("/proc/self/fd/" + std::to_string(descriptor), failure);
  if (failure) return std::nullopt;
  return file.string();
}

}  // namespace countersign::command
