// Whether the approvals presented suffice for a decision (reference: gait-formats §9.3–9.5, but stricter: two spellings
// of one person count once, and so do two files with one token id; a scope "*" covers nothing).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "common/clock.h"
#include "common/digest.h"
#include "common/json.h"
#include "gate/decision/evaluate.h"
#include "keymgmt/key_set.h"

namespace countersign::gate {

// What was presented and what became of it: an entry of the approval audit (gait-formats §9.5).
struct ApprovalEntry {
  std::string token_id;
  std::string approver_identity;
  std::string reason_code;
  std::vector<std::string> scope;
  UtcTime expires_at;
  bool valid = false;
  std::string error_code;  // approval_token_…; empty where valid
  Json json() const;
};

// The key set in which approvals are looked up.
struct ApprovalRules {
  const keymgmt::KeySet& keys;
};

struct ApprovalJudgement {
  std::vector<ApprovalEntry> entries;     // sorted as gait's audit
  std::int64_t valid = 0;                 // distinct token ids
  bool approved = false;                  // enough of them, from enough different people
  std::string approval_ref;               // sorted ids joined by comma, where approved
  std::vector<std::string> reason_codes;  // approval_granted, or why not
  std::vector<Json> redeemable;           // the valid tokens, as presented: what the signer redeems
};

// One token against one decision; the first failure decides the code. `judged` is the intent as hashed.
ApprovalEntry judge_token(const Json& token, const JudgedIntent& judged, const Digest& intent_digest,
                          const Digest& policy_digest, const Decision& decision, const ApprovalRules& rules,
                          UtcTime now);

// Precondition: decision.verdict is RequireApproval. `tokens` in any order.
ApprovalJudgement judge_approvals(const std::vector<Json>& tokens, const JudgedIntent& judged,
                                  const Digest& intent_digest, const Digest& policy_digest, const Decision& decision,
                                  const ApprovalRules& rules, UtcTime now);

// The decision after its approvals: allow where approved, otherwise require_approval with the reasons why and the
// violation approval_not_granted.
Decision after_approvals(Decision decision, const ApprovalJudgement& judgement);

}  // namespace countersign::gate
