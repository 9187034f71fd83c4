#include "command/decision/evaluation.h"

#include <cmath>

#include "command/decision/gate_answer.h"
#include "command/decision/kill_switch_journal.h"
#include "gate/decision/stopped_job.h"
#include "gate/document/optional_members.h"
#include "gate/trace/trace.h"

namespace countersign::command {

using statement::StatementType;
using statement::Verdict;

gate::TraceInputs Evaluation::trace_inputs(const gate::Decision& decision) const {
  std::string reference = options_.approval_token_ref;
  if (reference.empty() && judgement_) reference = judgement_->approval_ref;
  gate::TraceInputs trace{
      inputs_.policy,       inputs_.judged,          decision,   inputs_.intent_digest, inputs_.policy_digest,
      std::move(reference), options_.correlation_id, latency_ms_};
  evidence_.put_into(trace);
  return trace;
}

Status Evaluation::judge() {
  ASSIGN_OR_RETURN(decision_, decide(inputs_));
  keymgmt::KeySet keys;
  if (evidence_.registry().applies(inputs_)) {
    ASSIGN_OR_RETURN(keys, signer_.keys(TokenKind::ApprovedScript));
    ASSIGN_OR_RETURN(decision_,
                     evidence_.registry().judge(inputs_, std::move(decision_), keys, clock_.now(), warnings_));
  }
  // After what lifts rules: an approved script is no reason to trust a server.
  if (options_.trust) {
    decision_ = gate::with_trust(std::move(decision_), *inputs_.policy.mcp_trust(), *options_.trust);
  }
  if (!options_.job_stop.empty()) decision_ = gate::of_stopped_job(std::move(decision_), options_.job_stop);
  RETURN_IF_ERROR(evidence_.count_limits(inputs_, decision_, clock_.now(), !signs(),
                                         [this](Json& state) { return signer_.attest(state, clock_.now()); }));
  const bool oss_prod = options_.profile == kOssProd;
  if (oss_prod && decision_.delegation_required) RETURN_IF_ERROR(signer_.require_keys(TokenKind::Delegation));
  if (evidence_.needs_delegation_keys(decision_)) {
    ASSIGN_OR_RETURN(keys, signer_.keys(TokenKind::Delegation));
  }
  evidence_.judge_delegations(inputs_, decision_, gate::DelegationRules{keys}, clock_.now());
  by_policy_ = decision_;
  if (decision_.verdict == Verdict::RequireApproval && weighs_approvals()) {
    if (oss_prod) RETURN_IF_ERROR(signer_.require_keys(TokenKind::Approval));
    if (presented_.any()) {
      ASSIGN_OR_RETURN(keys, signer_.keys(TokenKind::Approval));
    }
    judgement_ = presented_.judge(decision_, keys, clock_.now());
    decision_ = gate::after_approvals(std::move(decision_), *judgement_);
  }
  evidence_.broker_credential(inputs_, decision_, signer_.has_ledger() ? SecretTrace::None : SecretTrace::Hashed,
                              clock_.now(), !signs());
  const std::chrono::duration<double, std::milli> spent = std::chrono::steady_clock::now() - started_;
  // Under an idempotency key the request has to have the same bytes each time.
  latency_ms_ = !options_.idempotency_key.empty() || options_.as_proxy ? 0 : std::round(spent.count() * 1000) / 1000;
  return ok();
}

Result<bool> Evaluation::sign() {
  const gate::Decision shown = options_.simulate ? simulated(decision_) : decision_;
  DecisionToSign decision{trace_inputs(shown),     decision_, options_.simulate, {}, inputs_.intent_document,
                          options_.idempotency_key};
  if (judgement_ && decision_.verdict == Verdict::Allow) decision.redeem = judgement_->redeemable;
  ASSIGN_OR_RETURN(auto signed_or_refused, signer_.trace(decision));
  if (const auto* refusal = std::get_if<client::Refusal>(&signed_or_refused)) {
    if (!decision.redeem.empty() && presented_.turn_down(refusal->tokens)) return false;
    return refusal->error;
  }
  records_.push_back({"trace", std::get<Json>(std::move(signed_or_refused))});
  return true;
}

// The decision stands, signed and recorded: a record that cannot be had now is said, and can be rebuilt from the
// ledger.
void Evaluation::record(StatementType type, std::string_view name, Json fields) {
  Result<Json> made = signer_.record(type, std::move(fields));
  if (made) {
    records_.push_back({name, *std::move(made)});
  } else {
    warnings_.push_back("no " + std::string(name) + " was written: " + made.error().detail);
  }
}

void Evaluation::record_all() {
  const gate::TraceInputs trace = trace_inputs(decision_);
  const std::string trace_id(records_.front().document.text("trace_id"));
  if ((decision_.required_approvals > 0 && weighs_approvals()) || (judgement_ && presented_.any())) {
    const gate::ApprovalJudgement nothing;
    record(StatementType::ApprovalAudit, "approval_audit",
           gate::approval_audit_fields(trace, trace_id, judgement_ ? *judgement_ : nothing));
  }
  if (evidence_.has_delegation_audit()) {
    record(StatementType::DelegationAudit, "delegation_audit", evidence_.delegation_audit(trace, trace_id));
  }
  if (evidence_.has_credential()) {
    record(StatementType::CredentialEvidence, "credential_evidence", evidence_.credential_evidence(inputs_, trace_id));
  }
  if (const Status written = journal_kill_switch(options_.kill_switch_state, trace, trace_id); !written) {
    warnings_.push_back("the kill switch's journal was not written: " + written.error().detail);
  }
}

EvaluationAnswer Evaluation::answer() {
  const GateAnswer said{inputs_,
                        decision_,
                        judgement_,
                        options_.profile,
                        records_.empty() ? std::string() : std::string(records_.front().document.text("trace_id")),
                        options_.policy_path,
                        options_.check,
                        options_.simulate,
                        warnings_};
  // gait explains what the policy says, before approvals.
  gate::Decision by_policy = by_policy_;
  by_policy.verdict = decision_.verdict;
  const GateAnswer explained{inputs_,          by_policy,      judgement_,        options_.profile, said.trace_id,
                             said.policy_path, options_.check, options_.simulate, warnings_};
  EvaluationAnswer out;
  out.members = gate_json(said);
  evidence_.put_into(out.members);
  gate::put(out.members, "approval_ref", options_.approval_token_ref);
  out.policy_explain = explain_json(explained);
  out.records = std::move(records_);
  out.notice = signer_.notice();
  out.as_gait = !signer_.has_ledger();
  return out;
}

Result<EvaluationAnswer> Evaluation::conclude() {
  RETURN_IF_ERROR(judge());
  for (const std::string& warning : signer_.warnings()) warnings_.push_back(warning);
  if (!signs()) return answer();
  for (;;) {
    ASSIGN_OR_RETURN(const bool is_signed, sign());
    if (is_signed) break;
    RETURN_IF_ERROR(judge());
  }
  record_all();
  return answer();
}

}  // namespace countersign::command
