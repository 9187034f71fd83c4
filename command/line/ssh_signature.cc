#include "command/line/ssh_signature.h"

#include <unistd.h>

#include <cstdlib>
#include <utility>
#include <vector>

#include "common/text.h"
#include "signer/process/child_program.h"

namespace countersign::command {
namespace {

constexpr std::string_view kArmour = "-----BEGIN SSH SIGNATURE-----";

// ssh-keygen wants the agent's key as a file.
Result<std::string> temporary_file(const std::string& content) {
  const char* folder = std::getenv("TMPDIR");
  std::string path = std::string(folder == nullptr || *folder == '\0' ? "/tmp" : folder) + "/countersign-key-XXXXXX";
  const int descriptor = ::mkstemp(path.data());
  if (descriptor < 0) return Error{ErrorCode::Unavailable, "cannot make a temporary file " + path};
  const bool written = ::write(descriptor, content.data(), content.size()) == static_cast<ssize_t>(content.size());
  ::close(descriptor);
  if (!written) {
    ::unlink(path.c_str());
    return Error{ErrorCode::Unavailable, "cannot write the temporary file " + path};
  }
  return path;
}

}  // namespace

Result<ApproverKey> ApproverKey::find(std::string_view chosen) {
  if (!chosen.empty()) return ApproverKey(std::string(chosen), false);
  if (const char* named = std::getenv("COUNTERSIGN_APPROVER_KEY"); named != nullptr && *named != '\0') {
    return ApproverKey(named, false);
  }
  const char* agent = std::getenv("SSH_AUTH_SOCK");
  if (agent == nullptr || *agent == '\0') return ApproverKey("", false);
  const Result<process::Finished> listed = process::run_program({"ssh-add", "-L"}, "");
  // An agent that is gone, or empty, is no key.
  if (!listed || listed->exit_code != 0) return ApproverKey("", false);
  std::vector<std::string_view> keys = lines_of(listed->output);
  std::erase(keys, std::string_view());
  if (keys.empty()) return ApproverKey("", false);
  if (keys.size() > 1) {
    return Error{ErrorCode::Invalid, "ssh-agent holds " + std::to_string(keys.size()) + " keys",
                 "approver_key_ambiguous", "name the public key of the one to sign with: --ssh-key ~/.ssh/NAME.pub"};
  }
  ASSIGN_OR_RETURN(std::string path, temporary_file(std::string(keys.front()) + "\n"));
  return ApproverKey(std::move(path), true);
}

ApproverKey::ApproverKey(ApproverKey&& other) noexcept
    : path_(std::move(other.path_)), temporary_(std::exchange(other.temporary_, false)) {}

ApproverKey::~ApproverKey() {
  if (temporary_) ::unlink(path_.c_str());
}

Result<std::string> ApproverKey::sign(std::string_view message, std::string_view name_space) const {
  ASSIGN_OR_RETURN(
      const process::Finished finished,
      process::run_program({"ssh-keygen", "-q", "-Y", "sign", "-f", path_, "-n", std::string(name_space)}, message));
  if (finished.exit_code != 0 || !finished.output.starts_with(kArmour)) {
    return Error{ErrorCode::Unavailable, "ssh-keygen did not sign with " + path_, "approver_key_unusable",
                 "check the key file, its passphrase, or that the agent holds it (ssh-add -l)"};
  }
  return finished.output;
}

}  // namespace countersign::command
