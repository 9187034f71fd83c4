// gate eval: the verdict on an intent under a policy, signed by the signer's trace key; approvals are redeemed with it.
#include <chrono>
#include <cmath>

#include "command/command.h"
#include "command/commands.h"
#include "command/gate_answer.h"
#include "command/gate_decision.h"
#include "command/gate_inputs.h"
#include "command/input_file.h"
#include "command/signer_address.h"
#include "common/clock.h"
#include "common/text.h"
#include "gate/trace.h"
#include "gate/verdict.h"
#include "signer/client/signer_client.h"

namespace countersign::command {
namespace {

using statement::StatementType;
using statement::Verdict;

constexpr Flag kFlags[] = {
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

// One evaluation on its way: what was read, what was decided, and whom to ask.
class Evaluation {
 public:
  Evaluation(Call& call, const Arguments& arguments, GateInputs inputs)
      : call_(call),
        arguments_(arguments),
        inputs_(std::move(inputs)),
        presented_(inputs_),
        signer_(signer_address(arguments).path),
        warnings_(inputs_.warnings) {}

  Result<int> conclude();

 private:
  bool signs() const { return !arguments_.is_on("check") && !arguments_.is_on("simulate"); }
  gate::TraceInputs trace_inputs() const;
  Status judge();
  // Signs the decision as it stands; false where the signer turned tokens down and the decision has to be judged again.
  Result<bool> sign();
  Status write_trace();
  void write_audit();
  int answer();

  Call& call_;
  const Arguments& arguments_;
  GateInputs inputs_;
  PresentedApprovals presented_;
  client::SignerClient signer_;
  SystemClock clock_;
  std::chrono::steady_clock::time_point started_ = std::chrono::steady_clock::now();
  double latency_ms_ = 0;
  std::optional<keymgmt::KeySet> keys_;
  gate::Decision decision_;
  std::optional<gate::ApprovalJudgement> judgement_;
  Json trace_;
  std::string trace_id_;
  std::string trace_path_;
  std::string audit_path_;
  std::vector<std::string> warnings_;
};

gate::TraceInputs Evaluation::trace_inputs() const {
  const std::string_view reference = arguments_.text("approval-token-ref");
  return gate::TraceInputs{
      inputs_.policy,
      inputs_.judged,
      decision_,
      inputs_.intent_digest,
      inputs_.policy_digest,
      !reference.empty() ? std::string(reference) : (judgement_ ? judgement_->approval_ref : std::string()),
      gate::correlation_id(call_.argv),
      latency_ms_};
}

Status Evaluation::judge() {
  ASSIGN_OR_RETURN(decision_, decide(inputs_));
  if (decision_.verdict == Verdict::RequireApproval) {
    if (presented_.any() && !keys_) {
      ASSIGN_OR_RETURN(keys_, signer_.keys());
    }
    judgement_ = presented_.judge(decision_, keys_ ? *keys_ : keymgmt::KeySet(), clock_.now());
    decision_ = gate::after_approvals(std::move(decision_), *judgement_);
  }
  block_without_credential(decision_);
  const std::chrono::duration<double, std::milli> spent = std::chrono::steady_clock::now() - started_;
  // Under an idempotency key the request has to have the same bytes each time.
  latency_ms_ = arguments_.given("idempotency-key") ? 0 : std::round(spent.count() * 1000) / 1000;
  return ok();
}

Result<bool> Evaluation::sign() {
  client::SignRequest request;
  request.type = StatementType::Trace;
  request.fields = gate::trace_statement(gate::trace_fields(trace_inputs()));
  if (judgement_ && decision_.verdict == Verdict::Allow) request.redeem = judgement_->redeemable;
  request.intent =
      Json::object({{"digest_form", inputs_.judged.intent.digest_form()}, {"document", inputs_.intent_document}});
  request.idempotency_key = std::string(arguments_.text("idempotency-key"));
  ASSIGN_OR_RETURN(auto answer, signer_.sign(request));
  if (const auto* refusal = std::get_if<client::Refusal>(&answer)) {
    if (!request.redeem.empty() && presented_.turn_down(refusal->tokens)) return false;
    return refusal->error;
  }
  trace_ = std::move(std::get<client::Signed>(answer).statement);
  trace_id_ = trace_.text("trace_id");
  return true;
}

Status Evaluation::write_trace() {
  trace_path_ = arguments_.text("trace-out", "");
  if (trace_path_.empty()) trace_path_ = "trace_" + trace_id_ + ".json";
  return write_output(trace_path_, trace_.gait_file());
}

// The decision stands, signed and recorded; an audit that cannot be had now is said, and can be rebuilt from the
// ledger.
void Evaluation::write_audit() {
  if (decision_.required_approvals == 0 && !presented_.any()) return;
  const auto write = [this]() -> Status {
    const gate::ApprovalJudgement nothing;
    client::SignRequest request;
    request.type = StatementType::ApprovalAudit;
    request.fields = gate::approval_audit_fields(trace_inputs(), trace_id_, judgement_ ? *judgement_ : nothing);
    ASSIGN_OR_RETURN(const auto answer, signer_.sign(request));
    if (const auto* refusal = std::get_if<client::Refusal>(&answer)) return refusal->error;
    audit_path_ = arguments_.text("approval-audit-out", "");
    if (audit_path_.empty()) audit_path_ = "approval_audit_" + trace_id_ + ".json";
    return write_output(audit_path_, std::get<client::Signed>(answer).statement.gait_file());
  };
  if (const Status written = write(); !written) {
    audit_path_.clear();
    warnings_.push_back("no approval audit was written: " + written.error().detail);
  }
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
                        arguments_.is_on("simulate"),
                        warnings_};
  if (call_.json) {
    answer_as_gait(call_, arguments_.is_on("explain") ? explain_json(said) : gate_json(said));
  } else {
    call_.console.answer(gate_text(said));
  }
  for (const std::string& warning : warnings_) call_.console.tell("warning: " + warning);
  for (const std::string& line : next_steps(said)) call_.console.tell(line);
  return said.simulate ? 0 : gate::exit_code_of(decision_.verdict);
}

Result<int> Evaluation::conclude() {
  RETURN_IF_ERROR(judge());
  if (!signs()) return answer();
  for (;;) {
    ASSIGN_OR_RETURN(const bool is_signed, sign());
    if (is_signed) break;
    RETURN_IF_ERROR(judge());
  }
  RETURN_IF_ERROR(write_trace());
  write_audit();
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
  RETURN_IF_ERROR(check_profile(arguments.text("profile", "standard"), inputs->policy, arguments.is_on("simulate")));
  // Before anything is redeemed: a decision that cannot be written down would be lost.
  const std::string trace_out(arguments.text("trace-out"));
  RETURN_IF_ERROR(refuse_traversal("trace", trace_out));
  if (!arguments.is_on("check") && !arguments.is_on("simulate")) {
    RETURN_IF_ERROR(prepare_output("trace", trace_out.empty() ? "trace" : trace_out));
    const std::string audit_out(arguments.text("approval-audit-out"));
    RETURN_IF_ERROR(prepare_output("approval audit", audit_out.empty() ? "audit" : audit_out));
  }
  return Evaluation(call, arguments, *std::move(inputs)).conclude();
}

}  // namespace

Command gate_eval_command() {
  return {"gate eval",
          "--policy FILE --intent FILE [flags]",
          "Decides whether an intent may run, and has the decision signed",
          "Exits 0 for allow, 3 for block, 4 when approvals are missing, 6 when it cannot be evaluated,\n"
          "7 when the signer cannot be reached. Approvals are redeemed only together with an allow.",
          "countersign gate eval --policy policy.yaml --intent intent.json --trace-out ./gait-out/trace.json --json",
          kFlags,
          Positionals::EndFlags,
          Shape::Gait,
          evaluate};
}

}  // namespace countersign::command
