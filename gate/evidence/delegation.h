// Whether the delegations presented cover an intent's chain: one token for each link (reference: gait-formats §11).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "common/clock.h"
#include "common/digest.h"
#include "common/json.h"
#include "gate/intent/intent.h"
#include "gate/policy/policy.h"
#include "keymgmt/key_set.h"

namespace countersign::gate {

// What a token is compared with; empty members are not compared. A token that names an intent or a policy counts for
// that one only.
struct DelegationDemand {
  std::string delegator_identity;
  std::string delegate_identity;
  std::vector<std::string> scope;  // any of them suffices
  std::string intent_digest;
  std::string policy_digest;
};

// A token that was read and verified, or why not: an entry of the delegation audit.
struct DelegationEntry {
  std::string token_id;
  std::string delegator_identity;
  std::string delegate_identity;
  std::vector<std::string> scope;
  UtcTime expires_at;
  bool valid = false;
  std::string error_code;  // delegation_token_…; empty where valid
  Json json() const;
};

struct DelegationJudgement {
  std::vector<DelegationEntry> entries;   // sorted as gait's audit
  std::int64_t valid = 0;                 // links with a token of their own
  bool complete = false;                  // every link has one
  std::string delegation_ref;             // sorted ids joined by comma, where complete
  std::vector<std::string> reason_codes;  // delegation_granted, or why not
};

// How tokens are verified and how strictly they are read.
struct DelegationRules {
  const keymgmt::KeySet& keys;
  bool wildcard_counts = false;  // gait lets a scope "*" cover everything; only key-file mode does
};

// One token: structure, signature, time, then what `demand` names, in gait's order. The first failure decides the code.
// `text` becomes what `delegate verify` says of it ("key id mismatch").
struct JudgedDelegation {
  DelegationEntry entry;
  Json document;     // the verified token in gait's normal form; null where it did not verify
  std::string text;  // why not, for people
};
JudgedDelegation judge_delegation(const Json& token, const DelegationDemand& demand, const DelegationRules& rules,
                                  UtcTime now);

// Each link of the intent's chain (without a chain: one to the requester) takes the first unused token that counts for
// it. Precondition: the policy demands a delegation. `tokens` in the order of their paths.
DelegationJudgement judge_delegations(const std::vector<Json>& tokens, const Intent& intent,
                                      const Digest& intent_digest, const Digest& policy_digest,
                                      const DelegationRules& rules, UtcTime now);

// gait's id of a token that a key file signs: 24 hex digits over what the token says.
std::string delegation_token_id(const Json& token);

}  // namespace countersign::gate
