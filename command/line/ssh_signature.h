// An approver's OpenSSH signature, made by the user's own ssh-keygen: key files, agents and security keys work as they
// do for ssh. We never read a private key.
#pragma once

#include <string>
#include <string_view>

#include "common/result.h"

namespace countersign::command {

// The key an approver signs with: `chosen` (--ssh-key) if not empty, else $COUNTERSIGN_APPROVER_KEY, else the only key
// of the running ssh-agent. Empty where there is none of these. Fails with Invalid where an agent holds several keys.
// The path of a private key, or of a public key whose private half is in the agent.
class ApproverKey {
 public:
  static Result<ApproverKey> find(std::string_view chosen);
  ApproverKey(ApproverKey&& other) noexcept;
  ApproverKey& operator=(ApproverKey&&) = delete;
  ~ApproverKey();  // removes the copy of an agent's public key

  bool none() const { return path_.empty(); }
  const std::string& path() const { return path_; }

  // The armoured signature over `message` in `name_space` (PROTOCOL.sshsig). Fails with Unavailable where ssh-keygen
  // cannot sign: missing file, wrong passphrase, no touch.
  Result<std::string> sign(std::string_view message, std::string_view name_space) const;

 private:
  ApproverKey(std::string path, bool temporary) : path_(std::move(path)), temporary_(temporary) {}
  std::string path_;
  bool temporary_ = false;
};

}  // namespace countersign::command
