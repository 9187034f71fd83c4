#include "command/decision/decision_evidence.h"

#include <set>

#include "command/decision/rate_limit_file.h"
#include "command/line/comma_list.h"
#include "command/line/input_file.h"
#include "common/text.h"
#include "gate/document/optional_members.h"

namespace countersign::command {
namespace {

// gait leaves the approvals a decision would have needed in its answer.
void block(gate::Decision& decision, std::string reason, std::string violation) {
  decision.verdict = gate::Verdict::Block;
  decision.reason_codes.push_back(std::move(reason));
  decision.violations.push_back(std::move(violation));
  decision.reason_codes = text_set(decision.reason_codes, false);
  decision.violations = text_set(decision.violations, false);
}

void put_use(Json& answer, const std::string& prefix, const std::optional<gate::RateUse>& use) {
  if (!use) return;
  gate::put(answer, prefix + "_scope", use->scope);
  gate::put(answer, prefix + "_key", use->key);
  gate::put(answer, prefix + "_used", use->used);
  gate::put(answer, prefix + "_remaining", use->remaining);
}

}  // namespace

Result<DecisionEvidence> DecisionEvidence::prepare(const Arguments& settings) {
  ASSIGN_OR_RETURN(CredentialBroker broker, CredentialBroker::chosen(settings));
  DecisionEvidence out(std::move(broker), ScriptRegistry(settings));
  out.rate_limit_path_ = trimmed(settings.text("rate-limit-state"));
  if (out.rate_limit_path_.empty()) out.rate_limit_path_ = kDefaultRateLimitState;
  out.check_state_ = [&settings](const std::string& path, const std::string& text) {
    return require_attested(settings, path, text);
  };
  return out;
}

Result<std::vector<Json>> read_delegation_tokens(const Arguments& arguments) {
  std::set<std::string> paths;
  for (const std::string_view flag : {"delegation-token", "delegation-token-chain"}) {
    for (std::string& path : comma_list(arguments.text(flag))) paths.insert(std::move(path));
  }
  std::vector<Json> tokens;
  for (const std::string& path : paths) {
    ASSIGN_OR_RETURN(Json token, read_document("delegation token", path));
    tokens.push_back(std::move(token));
  }
  return tokens;
}

Status DecisionEvidence::count_limits(const GateInputs& inputs, gate::Decision& decision, UtcTime now, bool dry,
                                      const std::function<Status(Json& document)>& seal) {
  const gate::Intent& intent = inputs.judged.intent;
  const bool budgeted = decision.destructive_budget && intent.has_destructive_target();
  if (!counted_ && (decision.rate_limit || budgeted)) {
    const std::string& tool = intent.fields().tool_name;
    const std::string& identity = intent.context().identity;
    const auto spend = [&](gate::RateState& state) {
      if (decision.rate_limit) rate_limit_ = state.spend(*decision.rate_limit, tool, identity, now);
      if (budgeted) budget_ = state.spend_budget(*decision.destructive_budget, tool, identity, now);
    };
    if (dry) {
      ASSIGN_OR_RETURN(gate::RateState state, read_rate_limits(rate_limit_path_, check_state_));
      spend(state);
    } else {
      RETURN_IF_ERROR(change_rate_limits(rate_limit_path_, now, {check_state_, spend, seal}));
    }
  }
  counted_ = true;
  if (rate_limit_ && rate_limit_->exceeded) block(decision, "rate_limit_exceeded", "rate_limit_exceeded");
  if (budget_ && budget_->exceeded) block(decision, "destructive_budget_exceeded", "destructive_budget_exceeded");
  return ok();
}

void DecisionEvidence::judge_delegations(const GateInputs& inputs, gate::Decision& decision,
                                         const gate::DelegationRules& rules, UtcTime now) {
  if (!decision.delegation_required) return;
  delegations_ = gate::judge_delegations(delegation_tokens_, inputs.judged.intent, inputs.intent_digest,
                                         inputs.policy_digest, rules, now);
  std::vector<std::string>& reasons = decision.reason_codes;
  reasons.insert(reasons.end(), delegations_->reason_codes.begin(), delegations_->reason_codes.end());
  reasons = text_set(reasons, false);
  if (delegations_->complete) return;
  decision.verdict = gate::Verdict::Block;
  decision.violations.emplace_back("delegation_not_granted");
  decision.violations = text_set(decision.violations, false);
}

void DecisionEvidence::broker_credential(const GateInputs& inputs, gate::Decision& decision, SecretTrace trace,
                                         UtcTime now, bool dry) {
  if (!decision.broker.required || decision.verdict != gate::Verdict::Allow) return;
  if (!broker_.issues()) return block(decision, "broker_credential_required", "broker_credential_missing");
  if (dry) return;
  if (!brokered_) {
    brokered_ = true;
    credential_request_ =
        gate::credential_request(inputs.judged.intent, decision.broker, broker_.reference(), broker_.scopes());
    credential_ = broker_.issue(*credential_request_, trace, now);
  }
  decision = gate::after_credential(
      std::move(decision),
      credential_ ? gate::objections(*credential_, *credential_request_, decision.broker, inputs.judged.intent)
                  : std::vector<std::string>{"broker_credential_missing"});
}

void DecisionEvidence::put_into(gate::TraceInputs& trace) const {
  if (delegations_) trace.delegation = &*delegations_;
  if (credential_) trace.credential = &*credential_;
}

void DecisionEvidence::put_into(Json& answer) const {
  put_use(answer, "rate_limit", rate_limit_);
  put_use(answer, "destructive_budget", budget_);
  if (delegations_) {
    gate::put(answer, "delegation_ref", delegations_->delegation_ref);
    gate::put(answer, "valid_delegations", delegations_->valid);
  }
  if (credential_) {
    gate::put(answer, "credential_issuer", credential_->issuer);
    gate::put(answer, "credential_source", credential_->source);
    gate::put(answer, "credential_access_type", credential_->access_type);
    gate::put(answer, "credential_ref", credential_->credential_ref);
    gate::put(answer, "credential_ttl_seconds", credential_->ttl_seconds);
  }
}

Json DecisionEvidence::delegation_audit(const gate::TraceInputs& trace, const std::string& trace_id) const {
  return gate::delegation_audit_fields(trace, trace_id, *delegations_);
}

Json DecisionEvidence::credential_evidence(const GateInputs& inputs, const std::string& trace_id) const {
  return gate::credential_evidence_fields(*credential_, *credential_request_, inputs.judged.intent.fields().created_at,
                                          trace_id);
}

}  // namespace countersign::command
