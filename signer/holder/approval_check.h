// Whether an approver proved who they are and may grant what is asked: checked here again, where the key is, so that a
// compromised front cannot mint an approval without a person's key (docs/threat-model.md).
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "common/clock.h"
#include "common/result.h"
#include "signer/config/holder_settings.h"
#include "signer/statement/approval_proof.h"

namespace countersign::holder {

// How far ahead a proof may expire: GET /v1/nonce gives challenges of that life.
inline constexpr std::chrono::minutes kLongestProof{5};

class ApprovalCheck {
 public:
  explicit ApprovalCheck(const config::HolderSettings& settings) : settings_(settings) {}

  // Fails with Refused: approver_not_in_roster, approval_proof_missing, approval_proof_expired, approval_proof_used,
  // approval_proof_invalid, approver_scope_refused, ttl_over_limit; with Invalid for a proof that does not read.
  Status check(const statement::ApprovalTokenFields& token, std::string_view proof_json, std::uint32_t peer_uid,
               UtcTime now) const;

  // As above, with delegator_not_in_roster and delegation_scope_refused.
  Status check(const statement::DelegationTokenFields& token, std::string_view proof_json, std::uint32_t peer_uid,
               UtcTime now) const;

  // As above, with script_tool_refused.
  Status check(const statement::ApprovedScriptFields& script, std::string_view proof_json, std::uint32_t peer_uid,
               UtcTime now) const;

  // After the token was signed: an SSH proof makes one token only.
  void use(std::string_view proof_json, UtcTime now);

 private:
  // What the proof is about: the namespace, and what is signed under a nonce until a time.
  struct Subject;
  // The roster's entry, proven.
  Result<const config::ApproverConfig*> proven(const Subject& subject, std::string_view proof_json,
                                               std::uint32_t peer_uid, UtcTime now) const;
  Status check_proof(const Subject& subject, const config::ApproverConfig& approver,
                     const statement::ApprovalProof& proof, std::uint32_t peer_uid, UtcTime now) const;
  Status check_ttl(const config::ApproverConfig& approver, const std::vector<std::string>& scope,
                   std::chrono::nanoseconds ttl) const;
  const config::HolderSettings& settings_;
  std::map<std::string, UtcTime, std::less<>> used_;  // nonces, until they expire
};

}  // namespace countersign::holder
