// Scripts approved ahead of time (reference: gait-formats §12): a signed entry lets exactly one script pass under
// exactly one policy until it expires. It lifts what the policy's rules say, and nothing that stops everybody: not a
// kill switch, not a limit, not a delegation or brokered credential the rules demand.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "common/clock.h"
#include "common/digest.h"
#include "common/json.h"
#include "common/result.h"
#include "gate/decision/evaluate.h"
#include "keymgmt/key_set.h"

namespace countersign::gate {

// An entry as gait normalises it, which is what is signed.
class ApprovedScript {
 public:
  // Reads an entry as gait does. Fails with Invalid in gait's words ("pattern_id is required").
  static Result<ApprovedScript> parse(const Json& entry);

  struct Terms {
    std::string pattern_id;  // empty: pattern_ and 12 digits of the script hash
    Digest policy_digest;
    std::string approver;
    std::vector<std::string> scope;
    std::chrono::nanoseconds ttl{};
  };
  // An unsigned entry for the script `intent`. Fails with Invalid where it is none.
  static Result<ApprovedScript> of(const Intent& intent, const Terms& terms, UtcTime now);

  const std::string& pattern_id() const { return pattern_id_; }
  const std::string& script_hash() const { return script_hash_; }
  const std::vector<std::string>& tool_sequence() const { return tool_sequence_; }
  UtcTime expires_at() const { return expires_at_; }
  // In file order; with its signature, if it has one.
  const Json& document() const { return document_; }
  // The same, signed: `document` is document() with a member `signature`.
  ApprovedScript sealed(Json document) const;

  // Fails with VerificationFailed where the entry is unsigned, expired at `now`, signed by no key of `keys` that counts
  // for approvals, or changed since.
  Status verify(const keymgmt::KeySet& keys, UtcTime now) const;
  // Whether it is for this script under this policy, and every word of its scope holds. gait keeps the tools as a
  // sorted set and compares it with the steps in their order: an entry for steps in another order never fits.
  bool can_fit(const Intent& script) const;  // whether its steps stand in that order
  bool fits(const Intent& script, const Digest& policy_digest, UtcTime now) const;

 private:
  ApprovedScript() = default;
  std::string pattern_id_;
  std::string policy_digest_;
  std::string script_hash_;
  std::vector<std::string> tool_sequence_;
  std::vector<std::string> scope_;
  UtcTime created_at_;
  UtcTime expires_at_;
  Json document_;
};

// A registry file: `{"entries":[…]}` or the list alone; an empty file holds none. Fails with Invalid, "parse approved
// script registry: …" or "approved script entries[2]: …".
Result<std::vector<ApprovedScript>> read_registry(std::string_view text);
// The file's text, entries by pattern id and age; `entry` takes the place of those with its pattern id.
std::string registry_with(std::vector<ApprovedScript> entries, const ApprovedScript& entry);

// What the registry says about an intent: the answer's registry_reason, and the entry that fits.
struct RegistryFinding {
  std::string reason;  // approved_script_match, approved_script_not_found, not_script
  const ApprovedScript* entry = nullptr;
};
RegistryFinding registry_finding(const std::vector<ApprovedScript>& entries, const Intent& intent,
                                 const Digest& policy_digest, UtcTime now);

// The decision about a script that `entry` approves, from what the policy decided without it.
Decision pre_approved(Decision decided, const Intent& script, const ApprovedScript& entry, UtcTime now);

}  // namespace countersign::gate
