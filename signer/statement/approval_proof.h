// How an approver or a delegator proves who they are: an OpenSSH signature (PROTOCOL.sshsig) over the canonical JSON of
// what is approved or delegated, or the kernel's word for a unix user. Each kind of token has its own namespace, so
// that a proof for one is none for the other.
#pragma once

#include <string>
#include <string_view>

#include "common/clock.h"
#include "common/json.h"
#include "signer/statement/statement.h"

namespace countersign::statement {

inline constexpr std::string_view kApprovalNamespace = "countersign-approval";
inline constexpr std::string_view kDelegationNamespace = "countersign-delegation";

// The bytes an approver signs: RFC 8785 form of {approver_identity, delegation_binding_digest?, expires_at,
// intent_digest, max_ops?, max_targets?, nonce, policy_digest, reason_code, scope, ttl_seconds}.
std::string approval_message(const ApprovalTokenFields& fields, std::string_view nonce, UtcTime expires_at);

// The bytes a delegator signs: RFC 8785 form of {delegate_identity, delegator_identity, expires_at, intent_digest?,
// nonce, policy_digest?, scope, scope_class?, ttl_seconds}.
inline constexpr std::string_view kScriptNamespace = "countersign-script";
std::string approved_script_message(const ApprovedScriptFields& fields, std::string_view nonce, UtcTime expires_at);
std::string delegation_message(const DelegationTokenFields& fields, std::string_view nonce, UtcTime expires_at);

// A request's `proof`: {"kind":"ssh","signature","nonce","expires_at"} or {"kind":"unix_user"}.
struct ApprovalProof {
  enum class Kind { Ssh, UnixUser };
  Kind kind = Kind::UnixUser;
  std::string signature;  // armoured, -----BEGIN SSH SIGNATURE-----
  std::string nonce;      // of GET /v1/nonce
  UtcTime expires_at;
  static Result<ApprovalProof> parse(const Json& json);  // strict
};

// Verifies an armoured SSHSIG over `message` against one public key line ("ssh-ed25519 AAAA… [comment]"). Key types:
// ssh-ed25519, ecdsa-sha2-nistp256, rsa-sha2-256/512 (≥ 2048 bits), sk-ssh-ed25519@openssh.com,
// sk-ecdsa-sha2-nistp256@openssh.com (user presence demanded). Fails with VerificationFailed or, for what is no such
// signature or key, Invalid.
Status verify_ssh_signature(std::string_view armoured, std::string_view message, std::string_view name_space,
                            std::string_view public_key_line);

// The key's fingerprint as ssh-keygen -l prints it, "SHA256:…". Fails with Invalid.
Result<std::string> ssh_fingerprint(std::string_view public_key_line);

}  // namespace countersign::statement
