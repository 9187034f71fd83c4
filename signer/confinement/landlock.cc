#include "signer/confinement/landlock.h"

#include <fcntl.h>
#include <linux/landlock.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace countersign::confinement {
namespace {

// Of kernels newer than Debian 12's headers.
constexpr std::uint64_t kTruncate = 1ULL << 14;     // ABI 3
constexpr std::uint64_t kIoctlDevice = 1ULL << 15;  // ABI 5
constexpr std::uint64_t kBindTcp = 1ULL << 0;       // ABI 4
constexpr std::uint64_t kConnectTcp = 1ULL << 1;
constexpr std::uint64_t kScopeAbstractSockets = 1ULL << 0;  // ABI 6
constexpr std::uint64_t kScopeSignals = 1ULL << 1;

constexpr std::uint64_t kRead = LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR;
constexpr std::uint64_t kChange = LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_REMOVE_DIR |
                                  LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_MAKE_DIR |
                                  LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_MAKE_SOCK |
                                  LANDLOCK_ACCESS_FS_MAKE_FIFO | LANDLOCK_ACCESS_FS_MAKE_SYM | LANDLOCK_ACCESS_FS_REFER;
constexpr std::uint64_t kOnFiles = LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE |
                                   LANDLOCK_ACCESS_FS_EXECUTE | kTruncate | kIoctlDevice;
constexpr std::uint64_t kNever = LANDLOCK_ACCESS_FS_MAKE_CHAR | LANDLOCK_ACCESS_FS_MAKE_BLOCK;

// The ruleset as ABI 6 has it; older kernels are told a shorter size.
struct Ruleset {
  std::uint64_t files = 0;
  std::uint64_t network = 0;
  std::uint64_t scoped = 0;
};
constexpr std::size_t size_for(long abi) {
  return abi >= 6 ? sizeof(Ruleset) : abi >= 4 ? 2 * sizeof(std::uint64_t) : sizeof(std::uint64_t);
}

Measure failed(const std::string& act) {
  return {"landlock", State::Unavailable, act + ": " + std::strerror(errno)};
}

// True where the path is there and now allowed.
bool allow(int ruleset, const std::string& path, std::uint64_t rights) {
  const int file = open(path.c_str(), O_PATH | O_CLOEXEC);
  if (file < 0) return errno == ENOENT || errno == ENOTDIR || errno == EACCES;  // nothing there to be allowed
  struct stat facts {};
  const bool known = fstat(file, &facts) == 0;
  landlock_path_beneath_attr rule{};
  rule.allowed_access = known && S_ISDIR(facts.st_mode) ? rights : rights & kOnFiles;
  rule.parent_fd = file;
  const bool added = known && syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) == 0;
  const int cause = errno;
  close(file);
  errno = cause;
  return added;
}

}  // namespace

Measure enter_landlock(const Profile& profile, const Needs& needs) {
  const long abi = syscall(SYS_landlock_create_ruleset, nullptr, 0, LANDLOCK_CREATE_RULESET_VERSION);
  if (abi < 0) return failed("the kernel has no Landlock");
  if (abi < 2) return {"landlock", State::Unavailable, "the kernel's Landlock ABI 1 forbids the token guard's renames"};

  const std::uint64_t since_3 = abi >= 3 ? kTruncate : 0;
  const std::uint64_t since_5 = abi >= 5 ? kIoctlDevice : 0;
  const std::uint64_t reading = kRead;
  const std::uint64_t writing = kRead | kChange | since_3 | since_5;
  const std::uint64_t running = kRead | LANDLOCK_ACCESS_FS_EXECUTE;

  Ruleset wanted;
  wanted.files = writing | running | kNever;
  if (!profile.inet && needs.reach != Reach::Network) wanted.network = kBindTcp | kConnectTcp;
  if (!profile.inet) wanted.scoped = kScopeSignals | (needs.reach == Reach::Files ? kScopeAbstractSockets : 0);
  const int ruleset = static_cast<int>(syscall(SYS_landlock_create_ruleset, &wanted, size_for(abi), 0));
  if (ruleset < 0) return failed("cannot make a ruleset");

  bool added = true;
  for (const std::string_view path : profile.read_only) added = added && allow(ruleset, std::string(path), reading);
  for (const std::string& path : needs.read_only) added = added && allow(ruleset, path, reading);
  for (const std::string& path : needs.read_write) added = added && allow(ruleset, path, writing);
  for (const std::string& path : needs.execute) added = added && allow(ruleset, path, running);
  const bool entered = added && syscall(SYS_landlock_restrict_self, ruleset, 0) == 0;
  const int cause = errno;
  close(ruleset);
  errno = cause;
  if (!entered) return failed("cannot enter the ruleset");
  return {"landlock", State::InForce, "ABI " + std::to_string(abi)};
}

}  // namespace countersign::confinement
