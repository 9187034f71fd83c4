// A decision and what became of its approvals, up to the signer's word: the part of `gate eval` that decides.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "command/decision/gate_inputs.h"
#include "gate/decision/evaluate.h"
#include "gate/evidence/approval.h"
#include "keymgmt/key_set.h"
#include "signer/client/signer_client.h"

namespace countersign::command {

// The policy's verdict, before limits, delegations, approvals and credentials (decision_evidence.h).
Result<gate::Decision> decide(const GateInputs& inputs);

// Tokens presented for a decision, minus those the signer turned down.
class PresentedApprovals {
 public:
  explicit PresentedApprovals(const GateInputs& inputs) : inputs_(inputs), usable_(inputs.tokens) {}

  bool any() const { return !inputs_.tokens.empty(); }
  // Precondition: decision.verdict is RequireApproval.
  gate::ApprovalJudgement judge(const gate::Decision& decision, const keymgmt::KeySet& keys, UtcTime now) const;
  // Takes the tokens of `findings` out. False where none of them was counted on: asking again would loop.
  bool turn_down(const std::vector<client::TokenFinding>& findings);

 private:
  const GateInputs& inputs_;
  std::vector<Json> usable_;
  struct TurnedDown {
    Json token;
    std::string code;
  };
  std::vector<TurnedDown> turned_down_;
};

inline constexpr std::string_view kOssProd = "oss-prod";

// Section 15 of gait-formats, but for the keys; `brokers` says whether a credential broker is chosen. Fails with
// Invalid.
Status check_profile(std::string_view profile, const gate::Policy& policy, bool simulate, bool brokers);

}  // namespace countersign::command
