// gate eval: the verdict on an intent under a policy, signed by the signer's trace key, with which approvals are
// redeemed, or by a key file.
#include <algorithm>
#include <optional>
#include <span>

#include "command/decision/decision_evidence.h"
#include "command/decision/decision_records.h"
#include "command/decision/decision_signer.h"
#include "command/decision/evaluation.h"
#include "command/decision/gate_answer.h"
#include "command/decision/gate_inputs.h"
#include "command/decision/gate_settings.h"
#include "command/decision/kept_evidence.h"
#include "command/gate/asked_gate.h"
#include "command/gate/commands.h"
#include "command/gate/gate_config.h"
#include "command/line/command.h"
#include "command/line/input_file.h"
#include "command/line/key_files.h"
#include "command/line/signer_address.h"
#include "command/line/trace_answer.h"
#include "command/line/verifying_keys.h"
#include "common/clock.h"
#include "common/text.h"
#include "gate/document/optional_members.h"
#include "gate/document/verdict.h"

namespace countersign::command {
namespace {

using statement::Verdict;

constexpr Flag kOwnFlags[] = {
    {"policy", Flag::Kind::Text, "FILE", "the policy, YAML"},
    {"intent", Flag::Kind::Text, "FILE", "the intent, JSON"},
    {"context-envelope", Flag::Kind::Text, "FILE", "evidence of the context the agent worked in"},
    {"approval-token", Flag::Kind::Text, "FILE", "an approval"},
    {"approval-token-chain", Flag::Kind::Text, "FILES", "further approvals, separated by commas"},
    {"approval-token-ref", Flag::Kind::Text, "TEXT", "what the trace says of approvals kept elsewhere"},
    {"trace-out", Flag::Kind::Text, "FILE", "where the trace goes (trace_<trace_id>.json)"},
    {"approval-audit-out", Flag::Kind::Text, "FILE", "where the approval audit goes (approval_audit_<trace_id>.json)"},
    {"evaluation-time", Flag::Kind::Text, "RFC3339", "judge rules and windows at that time; approvals go by the clock"},
    {"gait-args", Flag::Kind::Switch, "", "trim arguments and round large integers before hashing, as gait does"},
    {"idempotency-key", Flag::Kind::Text, "TEXT", "repeat safely: the same key and inputs get the recorded answer"},
    kConfigFlag,
    kNoConfigFlag,
    {"explain", Flag::Kind::Switch, "",
     "with --json: why, as gait's object gait.gate.policy_explain; `gate explain` says more"},
    {"check", Flag::Kind::Switch, "", "judge only: no signature, nothing redeemed, no files"},
    {"simulate", Flag::Kind::Switch, "", "say what the policy would do; always exits 0 and signs nothing"},
    {"trust", Flag::Kind::Text, "DIR",
     "believe approvals and the signed trace by the keys of this synced directory alone"},
    kGateFlag,
    kSignerFlag,
};

// With those of what a decision rests on beside policy and approvals, and of the gate itself.
std::span<const Flag> all_flags() {
  static const std::vector<Flag> flags = [] {
    std::vector<Flag> out(std::begin(kOwnFlags), std::end(kOwnFlags));
    out.insert(out.end(), std::begin(kDelegationFlags), std::end(kDelegationFlags));
    out.insert(out.end(), std::begin(kSettingFlags), std::end(kSettingFlags));
    out.insert(out.end(), std::begin(kCredentialFlags), std::end(kCredentialFlags));
    return out;
  }();
  return flags;
}

// Before anything is redeemed: a decision that cannot be written down would be lost.
Status prepare_outputs(const Arguments& arguments) {
  RETURN_IF_ERROR(refuse_traversal("trace", std::string(arguments.text("trace-out"))));
  if (arguments.is_on("check") || arguments.is_on("simulate")) return ok();
  return prepare_records(arguments);
}

// gait's object, with the paths of what was written.
Json explained(const EvaluationAnswer& said) {
  Json out = said.policy_explain;
  Json* proofs = out.find("proof_refs");
  if (proofs == nullptr) return out;
  for (const std::string_view name : kRecordNames) {
    const std::string member = std::string(name) + "_path";
    gate::put(*proofs, member, said.members.text(member));
  }
  return out;
}

Result<int> answer(Call& call, const Arguments& arguments, EvaluationAnswer said) {
  RETURN_IF_ERROR(write_records(arguments, said.records, said.members));
  if (call.json) {
    answer_as_gait(call, arguments.is_on("explain") ? explained(said)
                         : said.as_gait             ? without_ours(said.members)
                                                    : said.members);
  } else {
    call.console.answer(gate_text(said.members));
  }
  for (const std::string& warning : gate::texts_of(said.members.find("warnings"))) {
    call.console.tell("warning: " + warning);
  }
  if (!said.notice.empty()) call.console.tell(said.notice);
  for (const std::string& line : next_steps(said.members)) call.console.tell(line);
  const std::optional<Verdict> verdict = statement::verdict_named(said.members.text("verdict"));
  if (arguments.is_on("simulate")) return 0;
  return verdict ? gate::exit_code_of(*verdict) : gate::exit_code_of(Verdict::Block);
}

Result<EvaluationAnswer> decide_here(const Arguments& arguments, GateInputs inputs, const std::string& correlation_id) {
  const bool signs = !arguments.is_on("check") && !arguments.is_on("simulate");
  if (arguments.given("evaluation-time") && signs && !in_key_file_mode(arguments)) {
    return Error{ErrorCode::Invalid, "--evaluation-time: the signer's decisions are judged by the clock",
                 "evaluation_time_chosen", "leave it out, or use --check or --simulate"};
  }
  ASSIGN_OR_RETURN(DecisionEvidence evidence, DecisionEvidence::prepare(arguments));
  ASSIGN_OR_RETURN(std::vector<Json> delegations, read_delegation_tokens(arguments));
  evidence.present(std::move(delegations));
  RETURN_IF_ERROR(check_profile(arguments.text("profile", "standard"), inputs.policy, arguments.is_on("simulate"),
                                evidence.brokers()));
  RETURN_IF_ERROR(prepare_outputs(arguments));
  ASSIGN_OR_RETURN(const std::unique_ptr<DecisionSigner> signer, decision_signer(arguments));
  Evaluation evaluation(
      std::move(inputs), std::move(evidence), *signer,
      {arguments.is_on("check"), arguments.is_on("simulate"), std::string(arguments.text("profile", "standard")),
       std::string(arguments.text("approval-token-ref")), correlation_id,
       std::string(arguments.text("idempotency-key")), std::string(trimmed(arguments.text("kill-switch-state"))),
       std::string(trimmed(arguments.text("policy")))});
  return evaluation.conclude();
}

// gait tells how each member of the older grammar is written now.
int refuse_legacy_policy(Call& call, const Arguments& arguments, const Error& error) {
  if (call.json) {
    Json answer = gait_error(error);
    const Result<std::string> text = read_input("policy", std::string(trimmed(arguments.text("policy"))));
    if (text) answer.set("migration", gate::legacy_policy_migration(*text));
    answer_as_gait(call, std::move(answer));
  }
  tell_refusal(call, "gate eval", error);
  return row_of(error.code).exit_code;
}

Result<int> evaluate(Call& call, const Arguments& given) {
  if (!given.positionals().empty()) {
    return Error{ErrorCode::Invalid, "unexpected positional arguments"};
  }
  ASSIGN_OR_RETURN(const Arguments arguments, with_gate_config(given));
  const std::string correlation_id = gate::correlation_id(call.argv);
  Result<EvaluationAnswer> said = [&]() -> Result<EvaluationAnswer> {
    if (const std::optional<std::string> gate = gate_address(arguments)) {
      RETURN_IF_ERROR(prepare_outputs(arguments));
      ASSIGN_OR_RETURN(const std::optional<keymgmt::KeySet> trusted, trusted_keys(arguments));
      ASSIGN_OR_RETURN(EvaluationAnswer answer, ask_gate(*gate, arguments, correlation_id));
      for (const DecisionRecord& record : answer.records) {
        if (trusted && record.name == "trace") RETURN_IF_ERROR(check_trusted(record.document, *trusted));
      }
      return answer;
    }
    RETURN_IF_ERROR(check_profile_flags(arguments));
    ASSIGN_OR_RETURN(GateInputs inputs, read_gate_inputs(arguments, SystemClock().now()));
    return decide_here(arguments, std::move(inputs), correlation_id);
  }();
  if (!said && said.error().reason == "legacy_policy") return refuse_legacy_policy(call, arguments, said.error());
  if (!said) return std::move(said).error();
  return answer(call, arguments, *std::move(said));
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
