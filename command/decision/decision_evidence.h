// What a decision rests on beside policy and approvals: limits that are counted, delegations that are presented, a
// credential that is brokered (reference: gait-formats §7 steps 7 to 10). Each step happens once for a decision, also
// where approvals have to be judged again.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "command/decision/attestation.h"
#include "command/decision/credential_broker.h"
#include "command/decision/gate_inputs.h"
#include "command/decision/rate_limit_file.h"
#include "command/decision/script_registry.h"
#include "command/line/arguments.h"
#include "common/clock.h"
#include "common/json.h"
#include "common/result.h"
#include "gate/evidence/delegation.h"
#include "gate/state/rate_limit.h"
#include "gate/trace/trace.h"

namespace countersign::command {

inline constexpr Flag kDelegationFlags[] = {
    {"delegation-token", Flag::Kind::Text, "FILE", "a delegation"},
    {"delegation-token-chain", Flag::Kind::Text, "FILES", "further delegations, separated by commas"},
    {"delegation-audit-out", Flag::Kind::Text, "FILE",
     "where the delegation audit goes (delegation_audit_<trace_id>.json)"},
};

class DecisionEvidence {
 public:
  // Chooses the broker and the file of limits. Fails with Invalid. `settings` outlives it.
  static Result<DecisionEvidence> prepare(const Arguments& settings);
  // The delegations that are presented, in the order in which they are judged.
  void present(std::vector<Json> delegation_tokens) { delegation_tokens_ = std::move(delegation_tokens); }

  // Whether a broker is chosen that issues credentials.
  bool brokers() const { return broker_.issues(); }

  // Step 1: scripts that are approved ahead of time.
  ScriptRegistry& registry() { return registry_; }
  // Step 7. Counts, or looks only where `dry`; an exceeded limit blocks. `seal` vouches for the state that is written.
  // Fails as change_rate_limits does.
  Status count_limits(const GateInputs& inputs, gate::Decision& decision, UtcTime now, bool dry,
                      const std::function<Status(Json& document)>& seal);
  // Step 8. Blocks where the policy demands delegations and they do not cover the chain.
  bool needs_delegation_keys(const gate::Decision& decision) const {
    return decision.delegation_required && !delegation_tokens_.empty();
  }
  void judge_delegations(const GateInputs& inputs, gate::Decision& decision, const gate::DelegationRules& rules,
                         UtcTime now);
  // Step 10. An allow that demands a credential is a block without one. Nothing is issued where `dry`.
  void broker_credential(const GateInputs& inputs, gate::Decision& decision, SecretTrace trace, UtcTime now, bool dry);

  // What of it stands in the trace and in the answer.
  void put_into(gate::TraceInputs& trace) const;
  void put_into(Json& answer) const;

  bool has_delegation_audit() const { return delegations_.has_value(); }
  Json delegation_audit(const gate::TraceInputs& trace, const std::string& trace_id) const;
  bool has_credential() const { return credential_.has_value(); }
  Json credential_evidence(const GateInputs& inputs, const std::string& trace_id) const;

 private:
  DecisionEvidence(CredentialBroker broker, ScriptRegistry registry)
      : broker_(std::move(broker)), registry_(std::move(registry)) {}

  CredentialBroker broker_;
  ScriptRegistry registry_;
  std::string rate_limit_path_;
  StateCheck check_state_;
  std::vector<Json> delegation_tokens_;
  bool counted_ = false;
  std::optional<gate::RateUse> rate_limit_;
  std::optional<gate::RateUse> budget_;
  std::optional<gate::DelegationJudgement> delegations_;
  bool brokered_ = false;
  std::optional<gate::CredentialRequest> credential_request_;
  std::optional<gate::CredentialReceipt> credential_;
};

// The delegations that a command line names, in the order of their paths, each path once. Fails with Invalid.
Result<std::vector<Json>> read_delegation_tokens(const Arguments& arguments);

}  // namespace countersign::command
