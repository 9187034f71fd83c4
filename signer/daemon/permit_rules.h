// What an `allow` trace needs before it is signed: the approvals it cites, judged one by one and together
// (docs/architecture.md, "Allow, approve, redeem, run").
#pragma once

#include <chrono>
#include <set>
#include <string>
#include <variant>
#include <vector>

#include "common/clock.h"
#include "keymgmt/key_set.h"
#include "signer/config/config.h"
#include "signer/daemon/refusal.h"
#include "signer/ledger/store.h"
#include "signer/statement/statement.h"

namespace countersign::daemon {

// How long a recorded require_approval binds: an allow without tokens is refused, and an approval may be minted.
inline constexpr std::chrono::hours kRequirementLasts{24};

// What the ledger has to write, and to check once more, in the transaction that records the trace.
struct Permit {
  std::vector<ledger::Redemption> redeem;              // every token that counts, by token id
  std::optional<UtcTime> no_require_approval_since{};  // set for an allow without tokens
  std::vector<TokenFinding> findings{};                // tokens that do not count although enough others do
  std::optional<config::Event> event{};                // about one of these
};

// What token ids are being redeemed by requests that are not yet committed: of two requests that cite one token, the
// first wins, whichever is signed first.
using TokensInUse = std::set<std::string, std::less<>>;

class PermitRules {
 public:
  PermitRules(const config::Config& config, const ledger::Store& store) : config_(config), store_(store) {}

  // `trace` has verdict allow. A token counts if it
  //   - is signed by a published approval key that counts at its time         approval_token_invalid,
  //                                                     approval_token_signature_missing, …_signature_invalid
  //   - is for the trace's intent and policy                                  …_intent_mismatch, …_policy_mismatch
  //   - is not expired (now < expires_at), nor from the future beyond limits.clock_step
  //                                                                           …_expired, approval_token_future
  //   - covers every required scope                                           …_scope_mismatch
  //   - comes from somebody on the roster as it is now, who may grant every required scope and is not the requester
  //                                       approver_not_in_roster, approver_scope_refused, requester_is_approver
  //   - was minted here                                                       approval_token_foreign
  //   - was proven by what that person still proves it by: no SSH key that was replaced since
  //                                                                           approver_key_replaced
  //   - is younger than the ledger's last restore, and never redeemed         …_before_restore, …_consumed
  //   - repeats neither token id nor approver of another that counts          approval_token_repeated,
  //                                                                           approval_distinct_approvers_required
  // and enough count: the trace's required_approvals, at least the configured floor of the policy, at least one where
  // tokens are cited. Refused otherwise: approval_token_missing, approval_token_consumed (Conflict),
  // approval_distinct_approvers_required, approval_chain_insufficient. Also refused: a context taken from the intent's
  // own claims unless the configuration says so (context_claim_refused); and with Unavailable "ledger_check_pending" a
  // token that was minted when the ledger was not yet compared since its start (ledger::Store::usable).
  std::variant<Permit, Refusal> judge(const statement::TraceClaims& trace, const std::vector<Json>& tokens,
                                      const keymgmt::KeySet& keys, const TokensInUse& in_use, UtcTime now) const;

 private:
  const config::Config& config_;
  const ledger::Store& store_;
};

}  // namespace countersign::daemon
