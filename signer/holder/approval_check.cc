#include "signer/holder/approval_check.h"

#include <algorithm>

#include "common/text.h"
#include "signer/config/approval_limits.h"

namespace countersign::holder {
namespace {

using statement::ApprovalProof;

Error refused(std::string_view reason, std::string detail) {
  return Error{ErrorCode::Refused, std::move(detail), std::string(reason)};
}

Result<ApprovalProof> read_proof(std::string_view proof_json) {
  ASSIGN_OR_RETURN(const Json json, Json::parse(proof_json));
  return ApprovalProof::parse(json);
}

}  // namespace

Status ApprovalCheck::check_proof(const config::ApproverConfig& approver, const statement::ApprovalTokenFields& token,
                                  const ApprovalProof& proof, std::uint32_t peer_uid, UtcTime now) const {
  switch (proof.kind) {
    case ApprovalProof::Kind::UnixUser:
      if (approver.unix_uid && *approver.unix_uid == peer_uid) return ok();
      return refused("approval_proof_invalid",
                     "uid " + std::to_string(peer_uid) + " is not the unix user of " + approver.identity);
    case ApprovalProof::Kind::Ssh: {
      if (approver.ssh_key.empty()) {
        return refused("approval_proof_invalid", approver.identity + " has no SSH key on the roster");
      }
      if (proof.expires_at <= now || proof.expires_at > now + kLongestProof) {
        return refused("approval_proof_expired", "the proof's expires_at is past, or more than five minutes ahead");
      }
      if (used_.contains(proof.nonce)) return refused("approval_proof_used", "the proof already made a token");
      const std::string message = statement::approval_message(token, proof.nonce, proof.expires_at);
      if (statement::verify_ssh_signature(proof.signature, message, statement::kApprovalNamespace, approver.ssh_key)) {
        return ok();
      }
      return refused("approval_proof_invalid",
                     "the SSH signature is not by the key of " + approver.identity + " over this approval");
    }
  }
  return Error{ErrorCode::Internal, "a proof of no kind"};
}

Status ApprovalCheck::check(const statement::ApprovalTokenFields& token, std::string_view proof_json,
                            std::uint32_t peer_uid, UtcTime now) const {
  ASSIGN_OR_RETURN(const std::string key, identity_key(token.approver_identity));
  const auto approver =
      std::find_if(settings_.approvers.begin(), settings_.approvers.end(),
                   [&key](const config::ApproverConfig& candidate) { return candidate.identity_key == key; });
  if (approver == settings_.approvers.end()) {
    return refused("approver_not_in_roster", token.approver_identity + " is not on the list of approvers");
  }
  if (proof_json.empty()) return refused("approval_proof_missing", "an approval needs its approver's proof");
  ASSIGN_OR_RETURN(const ApprovalProof proof, read_proof(proof_json));
  RETURN_IF_ERROR(check_proof(*approver, token, proof, peer_uid, now));
  for (const std::string& scope : token.scope) {
    if (!config::may_grant(*approver, scope)) {
      return refused("approver_scope_refused", approver->identity + " may not grant " + scope);
    }
  }
  const std::chrono::nanoseconds longest = config::longest_ttl(settings_.approvals, *approver, token.scope);
  if (token.ttl > longest) {
    return refused("ttl_over_limit", "a ttl of " + duration_text(token.ttl) + " exceeds " + duration_text(longest));
  }
  return ok();
}

void ApprovalCheck::use(std::string_view proof_json, UtcTime now) {
  std::erase_if(used_, [now](const auto& entry) { return entry.second <= now; });
  const Result<ApprovalProof> proof = read_proof(proof_json);
  if (proof && proof->kind == ApprovalProof::Kind::Ssh) used_.emplace(proof->nonce, proof->expires_at);
}

}  // namespace countersign::holder
