// What a token needs before it is minted. An approval: a pending request, an approver who is proven, entitled and not
// the requester, and times within every limit (docs/architecture.md, "Allow, approve, redeem, run"). A delegation: a
// delegator who is proven and entitled to pass those words on.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "common/clock.h"
#include "signer/config/config.h"
#include "signer/daemon/nonces.h"
#include "signer/daemon/peer_policy.h"
#include "signer/daemon/refusal.h"
#include "signer/ledger/store.h"
#include "signer/statement/approval_proof.h"
#include "signer/statement/statement.h"

namespace countersign::daemon {

// The times an approval of `scopes` may have: `most` by config::longest_ttl, `usual` what approve takes without --ttl
// (approvals.default_ttl, or high_risk_default_ttl for a high-risk scope; never above `most`). A destructive decision
// counts as scope destructive:apply.
struct ApprovalTimes {
  std::chrono::nanoseconds usual{};
  std::chrono::nanoseconds most{};
  std::string limit;  // which rule sets `most`: "approvals.max_ttl", "approvals.high_risk of destructive:apply", …
};
ApprovalTimes approval_times(const config::ApprovalsConfig& approvals, const config::ApproverConfig& approver,
                             std::vector<std::string> scopes, bool destructive);

struct MintGrant {
  std::string approver_key;  // identity_key
  UtcTime pending_since;     // for ledger::Item; zero of a delegation
  std::string proven_by;     // config::has_credential; of an approval alone
  // How it was proved: {"approver" or "delegator","kind","key"?,"peer_uid","same_uid"?}, for the record.
  Json proof;
};

class MintRules {
 public:
  MintRules(const config::Config& config, const ledger::Store& store, Nonces& nonces)
      : config_(config), store_(store), nonces_(nonces) {}

  // Uses up the proof's nonce when everything else holds. Refusals by reason:
  //   approver_not_in_roster · approval_proof_missing · approval_proof_invalid (kind, key, signature) ·
  //   approval_proof_expired · nonce_unknown · no_pending_request · context_not_satisfied · requester_is_approver ·
  //   same_uid_refused · approver_scope_refused · ttl_over_limit.
  std::variant<MintGrant, Refusal> judge(const statement::ApprovalTokenFields& token, const std::optional<Json>& proof,
                                         const Caller& caller, UtcTime now) const;

  // As above. Refusals by reason: delegator_not_in_roster · approval_proof_missing · approval_proof_invalid ·
  //   approval_proof_expired · nonce_unknown · delegation_scope_refused · ttl_over_limit.
  std::variant<MintGrant, Refusal> judge(const statement::DelegationTokenFields& token,
                                         const std::optional<Json>& proof, const Caller& caller, UtcTime now) const;

  // As above, for a script approved ahead of time: nothing need be pending. Refusals by reason: approver_not_in_roster
  // ·
  //   approval_proof_missing · approval_proof_invalid · approval_proof_expired · nonce_unknown · script_tool_refused ·
  //   ttl_over_limit.
  std::variant<MintGrant, Refusal> judge(const statement::ApprovedScriptFields& script,
                                         const std::optional<Json>& proof, const Caller& caller, UtcTime now) const;

 private:
  struct Proven {
    const config::ApproverConfig& approver;
    std::string key;  // identity_key
    statement::ApprovalProof proof;
  };
  // What the proof is about: the namespace, and what is signed under a nonce until a time.
  struct Subject;
  std::variant<Proven, Refusal> proven(const Subject& subject, const std::optional<Json>& proof, const Caller& caller,
                                       UtcTime now) const;
  std::optional<Refusal> unproven(const Subject& subject, const config::ApproverConfig& approver,
                                  const statement::ApprovalProof& proof, const Caller& caller, UtcTime now) const;
  std::optional<Refusal> not_pending(const statement::ApprovalTokenFields& token,
                                     const config::ApproverConfig& approver,
                                     const std::optional<ledger::Decision>& decision, UtcTime now) const;
  const config::Config& config_;
  const ledger::Store& store_;
  Nonces& nonces_;
};

}  // namespace countersign::daemon
