// The guard around SoftHSM's token directory. SoftHSM 2.6.1 rewrites `token.object` in place at every login and unlocks
// it before it writes: a process starting meanwhile sees no token, and one killed there destroys the token for good.
// Every program of ours that opens a token takes the lock and runs the guard (docs/softhsm.md). Operators' own tools,
// such as pkcs11-tool, do not.
// For other modules the guard is a lock file by module and token alone.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "common/locked_file.h"
#include "common/result.h"

namespace countersign::pkcs11 {

// Which token a program is about to open.
struct TokenPlace {
  std::string module;  // path of the PKCS#11 module
  std::string label;   // either of label and serial may be empty, not both
  std::string serial;
  std::string softhsm_conf;               // value of SOFTHSM2_CONF; empty for a module that is not SoftHSM
  std::string lock_folder = "/run/lock";  // where the lock file of a module that is not SoftHSM goes
};

// `directories.tokendir` of a softhsm2.conf, as a canonical path. Fails with NotFound, Invalid.
Result<std::string> softhsm_token_directory(const std::string& conf);

// What doctor and status report.
struct TokenDirectoryFinding {
  std::string path;
  std::string message;
  std::string hint;
};

// An exclusive lock, held from make to destruction, and the guard's steps in their order:
// lock → before_login → (C_Initialize, find, C_Login) → after_login → unlock.
class TokenDirectoryGuard {
 public:
  // Waits for the lock, `<tokendir>.lock` beside the directory. The folder above `tokendir` must be writable by us, or
  // the lock file exist. Fails with Unavailable, NotFound, Invalid.
  static Result<TokenDirectoryGuard> lock(const TokenPlace& place);
  TokenDirectoryGuard(TokenDirectoryGuard&& other) = default;
  TokenDirectoryGuard& operator=(TokenDirectoryGuard&&) = delete;
  TokenDirectoryGuard(const TokenDirectoryGuard&) = delete;
  TokenDirectoryGuard& operator=(const TokenDirectoryGuard&) = delete;

  // Copies each whole `token.object` aside (`<tokendir>.copies/<token>/token.object`), restores each empty one from its
  // copy. Fails with Unavailable (disk_nearly_full) when less than 1 MiB is free.
  Status before_login();
  // Fails with Unavailable (token_not_written), after restoring it, when a login left a `token.object` empty. Syncs
  // them.
  Status after_login();
  // Copies the whole directory to `<tokendir>.before-change`, replacing the last such copy: before a key is made, a PIN
  // or an attribute changed.
  Status before_change();
  // Syncs the whole directory: before anybody learns of the change.
  Status after_change();

  // Removes the copy that before_change made: after a destruction it would keep what was destroyed.
  Status forget_change();

  // Tokens that before_login or after_login brought back: "token_restored" in the journal.
  const std::vector<std::string>& restored() const { return restored_; }
  // Tokens whose `token.object` is empty and has no copy: gone until restored from a backup, or being made elsewhere.
  const std::vector<std::string>& lost() const { return lost_; }
  const std::string& directory() const { return directory_; }  // empty for a module that is not SoftHSM

 private:
  TokenDirectoryGuard(std::string directory, LockedFile lock)
      : directory_(std::move(directory)), lock_(std::move(lock)) {}
  // Brings one token's file back from its copy, or counts it as lost.
  Status restore(const std::filesystem::path& folder);
  std::string directory_;
  LockedFile lock_;
  std::vector<std::string> restored_;
  std::vector<std::string> lost_;
};

// Zero-length and unreadable `*.object` files, and tokens without a copy. Takes no lock: a login under way may show an
// empty file for a moment, so a finding counts when it is seen twice.
Result<std::vector<TokenDirectoryFinding>> inspect_token_directory(const std::string& directory);

}  // namespace countersign::pkcs11
