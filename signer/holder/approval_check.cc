#include "signer/holder/approval_check.h"

#include <algorithm>
#include <functional>

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

struct ApprovalCheck::Subject {
  const std::string& identity;
  std::string_view unknown;  // the refusal's reason where the identity is not on the roster
  std::string_view name_space;
  std::function<std::string(std::string_view nonce, UtcTime expires_at)> message;
};

Status ApprovalCheck::check_proof(const Subject& subject, const config::ApproverConfig& approver,
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
      const std::string message = subject.message(proof.nonce, proof.expires_at);
      if (statement::verify_ssh_signature(proof.signature, message, subject.name_space, approver.ssh_key)) {
        return ok();
      }
      return refused("approval_proof_invalid",
                     "the SSH signature is not by the key of " + approver.identity + " over this request");
    }
  }
  return Error{ErrorCode::Internal, "a proof of no kind"};
}

Result<const config::ApproverConfig*> ApprovalCheck::proven(const Subject& subject, std::string_view proof_json,
                                                            std::uint32_t peer_uid, UtcTime now) const {
  ASSIGN_OR_RETURN(const std::string key, identity_key(subject.identity));
  const auto approver =
      std::find_if(settings_.approvers.begin(), settings_.approvers.end(),
                   [&key](const config::ApproverConfig& candidate) { return candidate.identity_key == key; });
  if (approver == settings_.approvers.end()) {
    return refused(subject.unknown, subject.identity + " is not on the list of approvers");
  }
  if (proof_json.empty()) {
    return refused("approval_proof_missing", "a token needs the proof of the person who gives it");
  }
  ASSIGN_OR_RETURN(const ApprovalProof proof, read_proof(proof_json));
  RETURN_IF_ERROR(check_proof(subject, *approver, proof, peer_uid, now));
  return &*approver;
}

Status ApprovalCheck::check_ttl(const config::ApproverConfig& approver, const std::vector<std::string>& scope,
                                std::chrono::nanoseconds ttl) const {
  const std::chrono::nanoseconds longest = config::longest_ttl(settings_.approvals, approver, scope);
  if (ttl <= longest) return ok();
  return refused("ttl_over_limit", "a ttl of " + duration_text(ttl) + " exceeds " + duration_text(longest));
}

Status ApprovalCheck::check(const statement::ApprovalTokenFields& token, std::string_view proof_json,
                            std::uint32_t peer_uid, UtcTime now) const {
  const Subject subject{token.approver_identity, "approver_not_in_roster", statement::kApprovalNamespace,
                        [&token](std::string_view nonce, UtcTime expires_at) {
                          return statement::approval_message(token, nonce, expires_at);
                        }};
  ASSIGN_OR_RETURN(const config::ApproverConfig* approver, proven(subject, proof_json, peer_uid, now));
  for (const std::string& scope : token.scope) {
    if (!config::may_grant(*approver, scope)) {
      return refused("approver_scope_refused", approver->identity + " may not grant " + scope);
    }
  }
  return check_ttl(*approver, token.scope, token.ttl);
}

Status ApprovalCheck::check(const statement::DelegationTokenFields& token, std::string_view proof_json,
                            std::uint32_t peer_uid, UtcTime now) const {
  const Subject subject{token.delegator_identity, "delegator_not_in_roster", statement::kDelegationNamespace,
                        [&token](std::string_view nonce, UtcTime expires_at) {
                          return statement::delegation_message(token, nonce, expires_at);
                        }};
  ASSIGN_OR_RETURN(const config::ApproverConfig* delegator, proven(subject, proof_json, peer_uid, now));
  if (const std::optional<std::string> word = config::refused_word(*delegator, token)) {
    return refused("delegation_scope_refused", delegator->identity + " may not delegate " + *word);
  }
  return check_ttl(*delegator, token.scope, token.ttl);
}

Status ApprovalCheck::check(const statement::ApprovedScriptFields& script, std::string_view proof_json,
                            std::uint32_t peer_uid, UtcTime now) const {
  const Subject subject{script.approver_identity, "approver_not_in_roster", statement::kScriptNamespace,
                        [&script](std::string_view nonce, UtcTime expires_at) {
                          return statement::approved_script_message(script, nonce, expires_at);
                        }};
  ASSIGN_OR_RETURN(const config::ApproverConfig* approver, proven(subject, proof_json, peer_uid, now));
  if (const std::optional<std::string> tool = config::refused_tool(*approver, script)) {
    return refused("script_tool_refused", approver->identity + " may not approve scripts that call " + *tool);
  }
  return check_ttl(*approver, script.scope, script.ttl);
}

void ApprovalCheck::use(std::string_view proof_json, UtcTime now) {
  std::erase_if(used_, [now](const auto& entry) { return entry.second <= now; });
  const Result<ApprovalProof> proof = read_proof(proof_json);
  if (proof && proof->kind == ApprovalProof::Kind::Ssh) used_.emplace(proof->nonce, proof->expires_at);
}

}  // namespace countersign::holder
