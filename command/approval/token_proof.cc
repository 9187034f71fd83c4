#include "command/approval/token_proof.h"

#include "command/line/ssh_signature.h"

namespace countersign::command {

Result<Json> proof_of(const Arguments& arguments, client::SignerClient& signer, std::string_view name_space,
                      const std::function<std::string(std::string_view nonce, UtcTime expires_at)>& message) {
  const std::string_view kind = arguments.text("proof");
  const Json unix_user = Json::object({{"kind", "unix_user"}});
  if (kind == "unix_user") return unix_user;
  if (!kind.empty() && kind != "ssh") {
    return Error{ErrorCode::Invalid, "unsupported proof: \"" + std::string(kind) + "\", expected ssh or unix_user"};
  }
  ASSIGN_OR_RETURN(const ApproverKey key, ApproverKey::find(arguments.text("ssh-key")));
  if (key.none()) {
    if (kind.empty()) return unix_user;
    return Error{ErrorCode::Invalid, "there is no SSH key to prove the approver with", "approver_key_missing",
                 "name one with --ssh-key or $COUNTERSIGN_APPROVER_KEY, or add it to ssh-agent"};
  }
  ASSIGN_OR_RETURN(const Json challenge, signer.nonce());
  const std::string nonce(challenge.text("nonce"));
  ASSIGN_OR_RETURN(const UtcTime expires_at, UtcTime::parse(challenge.text("expires_at")));
  ASSIGN_OR_RETURN(const std::string signature, key.sign(message(nonce, expires_at), name_space));
  return Json::object(
      {{"kind", "ssh"}, {"signature", signature}, {"nonce", nonce}, {"expires_at", expires_at.rfc3339()}});
}

}  // namespace countersign::command
