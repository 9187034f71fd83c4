// gate eval: the verdict on an intent under a policy, signed by the signer's trace key, with which approvals are
// redeemed, or by a key file.
#include <chrono>
#include <cmath>
#include <span>

#include "command/attestation.h"
#include "command/command.h"
#include "command/commands.h"
#include "command/decision_evidence.h"
#include "command/decision_signer.h"
#include "command/gate_answer.h"
#include "command/gate_decision.h"
#include "command/gate_inputs.h"
#include "command/input_file.h"
#include "command/kill_switch_journal.h"
#include "command/signer_address.h"
#include "common/clock.h"
#include "common/text.h"
#include "gate/optional_members.h"
#include "gate/trace.h"
#include "gate/verdict.h"
#include "signer/client/signer_client.h"

namespace countersign::command {
namespace {

using statement::StatementType;
using statement::Verdict;

constexpr Flag kOwnFlags[] = {
    {"policy", Flag::Kind::Text, "FILE", "the policy, YAML"},
    {"intent", Flag::Kind::Text, "FILE", "the intent, JSON"},
    {"context-envelope", Flag::Kind::Text, "FILE", "evidence of the context the agent worked in"},
    {"context-evidence", Flag::Kind::Text, "KIND", "envelope (default), or intent: the intent's own claims count"},
    {"approval-token", Flag::Kind::Text, "FILE", "an approval"},
    {"approval-token-chain", Flag::Kind::Text, "FILES", "further approvals, separated by commas"},
    {"approval-token-ref", Flag::Kind::Text, "TEXT", "what the trace says of approvals kept elsewhere"},
    {"trace-out", Flag::Kind::Text, "FILE", "where the trace goes (trace_<trace_id>.json)"},
    {"approval-audit-out", Flag::Kind::Text, "FILE", "where the approval audit goes (approval_audit_<trace_id>.json)"},
    {"profile", Flag::Kind::Text, "NAME", "standard (default) or oss-prod"},
    {"evaluation-time", Flag::Kind::Text, "RFC3339", "judge rules and windows at that time; approvals go by the clock"},
    {"kill-switch-state", Flag::Kind::Text, "FILE", "who is stopped"},
    {"wrkr-inventory", Flag::Kind::Text, "FILE", "what is known of tools: rules may ask for it"},
    {"idempotency-key", Flag::Kind::Text, "TEXT", "repeat safely: the same key and inputs get the recorded answer"},
    {"explain", Flag::Kind::Switch, "",
     "with --json: why, as gait's object gait.gate.policy_explain; `gate explain` says more"},
    {"check", Flag::Kind::Switch, "", "judge only: no signature, nothing redeemed, no files"},
    {"simulate", Flag::Kind::Switch, "", "say what the policy would do; always exits 0 and signs nothing"},
    kSignerFlag,
};

// With those of what a decision rests on beside policy and approvals.
std::span<const Flag> all_flags() {
  static const std::vector<Flag> flags = [] {
    std::vector<Flag> out(std::begin(kOwnFlags), std::end(kOwnFlags));
    out.insert(out.end(), std::begin(kEvidenceFlags), std::end(kEvidenceFlags));
    out.insert(out.end(), std::begin(kCredentialFlags), std::end(kCredentialFlags));
    return out;
  }();
  return flags;
}

// One evaluation on its way: what was read, what was decided, and whom to ask.
class Evaluation {
 public:
  Evaluation(Call& call, const Arguments& arguments, GateInputs inputs, DecisionEvidence evidence)
      : call_(call),
        arguments_(arguments),
        inputs_(std::move(inputs)),
        presented_(inputs_),
        evidence_(std::move(evidence)),
        warnings_(inputs_.warnings) {}

  Result<int> conclude();

 private:
  bool simulates() const { return arguments_.is_on("simulate"); }
  // Without a ledger a simulation is signed, as gait does, and marked as one.
  bool signs() const { return !arguments_.is_on("check") && !(simulates() && signer_->has_ledger()); }
  gate::TraceInputs trace_inputs(const gate::Decision& decision) const;
  Status judge();
  // Signs the decision as it stands; false where the signer turned tokens down and the decision has to be judged again.
  Result<bool> sign();
  Status write_trace();
  std::string write_record(StatementType type, Json fields, std::string_view out_flag, const std::string& kind);
  void write_records();
  Json members_of(const GateAnswer& said) const;
  int answer();

  Call& call_;
  const Arguments& arguments_;
  GateInputs inputs_;
  PresentedApprovals presented_;
  DecisionEvidence evidence_;
  std::unique_ptr<DecisionSigner> signer_;
  SystemClock clock_;
  std::chrono::steady_clock::time_point started_ = std::chrono::steady_clock::now();
  double latency_ms_ = 0;
  gate::Decision decision_;
  std::optional<gate::ApprovalJudgement> judgement_;
  Json trace_;
  std::string trace_id_;
  std::string trace_path_;
  std::string audit_path_;
  std::string delegation_audit_path_;
  std::string credential_evidence_path_;
  std::vector<std::string> warnings_;
};

gate::TraceInputs Evaluation::trace_inputs(const gate::Decision& decision) const {
  const std::string_view reference = arguments_.text("approval-token-ref");
  gate::TraceInputs trace{
      inputs_.policy,
      inputs_.judged,
      decision,
      inputs_.intent_digest,
      inputs_.policy_digest,
      !reference.empty() ? std::string(reference) : (judgement_ ? judgement_->approval_ref : std::string()),
      gate::correlation_id(call_.argv),
      latency_ms_};
  evidence_.put_into(trace);
  return trace;
}

Status Evaluation::judge() {
  if (!signer_) {
    ASSIGN_OR_RETURN(signer_, decision_signer(arguments_));
  }
  ASSIGN_OR_RETURN(decision_, decide(inputs_));
  RETURN_IF_ERROR(evidence_.count_limits(inputs_, decision_, clock_.now(), !signs(),
                                         [this](Json& state) { return signer_->attest(state, clock_.now()); }));
  keymgmt::KeySet keys;
  if (evidence_.needs_delegation_keys(decision_)) {
    ASSIGN_OR_RETURN(keys, signer_->keys(TokenKind::Delegation));
  }
  evidence_.judge_delegations(inputs_, decision_, gate::DelegationRules{keys}, clock_.now());
  if (decision_.verdict == Verdict::RequireApproval) {
    if (presented_.any()) {
      ASSIGN_OR_RETURN(keys, signer_->keys(TokenKind::Approval));
    }
    judgement_ = presented_.judge(decision_, keys, clock_.now());
    decision_ = gate::after_approvals(std::move(decision_), *judgement_);
  }
  evidence_.broker_credential(inputs_, decision_, signer_->has_ledger() ? SecretTrace::None : SecretTrace::Hashed,
                              clock_.now(), !signs());
  const std::chrono::duration<double, std::milli> spent = std::chrono::steady_clock::now() - started_;
  // Under an idempotency key the request has to have the same bytes each time.
  latency_ms_ = arguments_.given("idempotency-key") ? 0 : std::round(spent.count() * 1000) / 1000;
  return ok();
}

Result<bool> Evaluation::sign() {
  const gate::Decision shown = simulates() ? simulated(decision_) : decision_;
  DecisionToSign decision{trace_inputs(shown),
                          decision_,
                          simulates(),
                          {},
                          inputs_.intent_document,
                          std::string(arguments_.text("idempotency-key"))};
  if (judgement_ && decision_.verdict == Verdict::Allow) decision.redeem = judgement_->redeemable;
  ASSIGN_OR_RETURN(auto answer, signer_->trace(decision));
  if (const auto* refusal = std::get_if<client::Refusal>(&answer)) {
    if (!decision.redeem.empty() && presented_.turn_down(refusal->tokens)) return false;
    return refusal->error;
  }
  trace_ = std::get<Json>(std::move(answer));
  trace_id_ = trace_.text("trace_id");
  return true;
}

Status Evaluation::write_trace() {
  trace_path_ = arguments_.text("trace-out", "");
  if (trace_path_.empty()) trace_path_ = "trace_" + trace_id_ + ".json";
  return write_output(trace_path_, trace_.gait_file());
}

// Has a record signed and written to --<out_flag>, else to <kind>_<trace_id>.json. The decision stands, signed and
// recorded: a record that cannot be had now is said, and can be rebuilt from the ledger. Returns its path.
std::string Evaluation::write_record(StatementType type, Json fields, std::string_view out_flag,
                                     const std::string& kind) {
  std::string path(trimmed(arguments_.text(out_flag)));
  if (path.empty()) path = kind + "_" + trace_id_ + ".json";
  const auto write = [&]() -> Status {
    ASSIGN_OR_RETURN(const Json record, signer_->record(type, std::move(fields)));
    return write_output(path, record.gait_file());
  };
  const Status written = write();
  if (written) return path;
  warnings_.push_back("no " + kind + " was written: " + written.error().detail);
  return "";
}

void Evaluation::write_records() {
  const gate::TraceInputs trace = trace_inputs(decision_);
  if (decision_.required_approvals > 0 || presented_.any()) {
    const gate::ApprovalJudgement nothing;
    audit_path_ = write_record(StatementType::ApprovalAudit,
                               gate::approval_audit_fields(trace, trace_id_, judgement_ ? *judgement_ : nothing),
                               "approval-audit-out", "approval_audit");
  }
  if (evidence_.has_delegation_audit()) {
    delegation_audit_path_ = write_record(StatementType::DelegationAudit, evidence_.delegation_audit(trace, trace_id_),
                                          "delegation-audit-out", "delegation_audit");
  }
  if (evidence_.has_credential()) {
    credential_evidence_path_ =
        write_record(StatementType::CredentialEvidence, evidence_.credential_evidence(inputs_, trace_id_),
                     "credential-evidence-out", "credential_evidence");
  }
  const std::string state(trimmed(arguments_.text("kill-switch-state")));
  if (const Status written = journal_kill_switch(state, trace, trace_id_); !written) {
    warnings_.push_back("the kill switch's journal was not written: " + written.error().detail);
  }
}

Json Evaluation::members_of(const GateAnswer& said) const {
  Json members = gate_json(said);
  evidence_.put_into(members);
  gate::put(members, "delegation_audit_path", delegation_audit_path_);
  gate::put(members, "credential_evidence_path", credential_evidence_path_);
  return members;
}

int Evaluation::answer() {
  const GateAnswer said{inputs_,
                        decision_,
                        judgement_,
                        std::string(arguments_.text("profile", "standard")),
                        trace_id_,
                        trace_path_,
                        audit_path_,
                        arguments_.is_on("check"),
                        simulates(),
                        warnings_,
                        !signer_->has_ledger()};
  if (call_.json) {
    answer_as_gait(call_, arguments_.is_on("explain") ? explain_json(said) : members_of(said));
  } else {
    call_.console.answer(gate_text(said));
  }
  for (const std::string& warning : warnings_) call_.console.tell("warning: " + warning);
  if (const std::string notice = signer_->notice(); !notice.empty()) call_.console.tell(notice);
  for (const std::string& line : next_steps(said)) call_.console.tell(line);
  return said.simulate ? 0 : gate::exit_code_of(decision_.verdict);
}

Result<int> Evaluation::conclude() {
  RETURN_IF_ERROR(judge());
  for (const std::string& warning : signer_->warnings()) warnings_.push_back(warning);
  if (!signs()) return answer();
  for (;;) {
    ASSIGN_OR_RETURN(const bool is_signed, sign());
    if (is_signed) break;
    RETURN_IF_ERROR(judge());
  }
  RETURN_IF_ERROR(write_trace());
  write_records();
  return answer();
}

// gait tells how each member of the older grammar is written now.
int refuse_legacy_policy(Call& call, const Arguments& arguments, const Error& error) {
  if (call.json) {
    Json answer = gait_error(error);
    const Result<std::string> text = read_input("policy", std::string(trimmed(arguments.text("policy"))));
    if (text) answer.set("migration", gate::legacy_policy_migration(*text));
    answer_as_gait(call, std::move(answer));
  }
  call.console.tell("gate eval error: " + error.detail);
  return row_of(error.code).exit_code;
}

Result<int> evaluate(Call& call, const Arguments& arguments) {
  if (!arguments.positionals().empty()) {
    return Error{ErrorCode::Invalid, "unexpected positional arguments"};
  }
  SystemClock clock;
  Result<GateInputs> inputs = read_gate_inputs(arguments, clock.now());
  if (!inputs && inputs.error().reason == "legacy_policy") return refuse_legacy_policy(call, arguments, inputs.error());
  if (!inputs) return std::move(inputs).error();
  ASSIGN_OR_RETURN(DecisionEvidence evidence, DecisionEvidence::prepare(arguments));
  RETURN_IF_ERROR(check_profile(arguments.text("profile", "standard"), inputs->policy, arguments.is_on("simulate"),
                                evidence.brokers()));
  // Before anything is redeemed: a decision that cannot be written down would be lost.
  const std::string trace_out(arguments.text("trace-out"));
  RETURN_IF_ERROR(refuse_traversal("trace", trace_out));
  if (!arguments.is_on("check") && !arguments.is_on("simulate")) {
    RETURN_IF_ERROR(prepare_output("trace", trace_out.empty() ? "trace" : trace_out));
    for (const std::string_view flag : {"approval-audit-out", "delegation-audit-out", "credential-evidence-out"}) {
      const std::string out(trimmed(arguments.text(flag)));
      RETURN_IF_ERROR(prepare_output(flag, out.empty() ? "audit" : out));
    }
  }
  return Evaluation(call, arguments, *std::move(inputs), std::move(evidence)).conclude();
}

}  // namespace

Command gate_eval_command() {
  return {"gate eval",
          "--policy FILE --intent FILE [flags]",
          "Decides whether an intent may run, and has the decision signed",
          "Exits 0 for allow, 3 for block, 4 when approvals are missing, 6 when it cannot be evaluated,\n"
          "7 when the signer cannot be reached. Approvals are redeemed only together with an allow.",
          "countersign gate eval --policy policy.yaml --intent intent.json --trace-out ./gait-out/trace.json --json",
          all_flags(),
          Positionals::EndFlags,
          Shape::Gait,
          evaluate};
}

}  // namespace countersign::command
