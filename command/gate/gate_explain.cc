// gate explain: why the gate decides as it does about an intent. Nothing is signed, redeemed, counted or written.
#include "command/decision/gate_answer.h"
#include "command/decision/gate_inputs.h"
#include "command/gate/commands.h"
#include "command/line/command.h"
#include "command/line/padded.h"
#include "common/clock.h"
#include "common/text.h"
#include "gate/decision/evaluate.h"
#include "gate/document/optional_members.h"
#include "gate/document/verdict.h"
#include "gate/explanation/explanation.h"

namespace countersign::command {
namespace {

constexpr Flag kFlags[] = {
    {"policy", Flag::Kind::Text, "FILE", "the policy, YAML"},
    {"intent", Flag::Kind::Text, "FILE", "the intent, JSON"},
    {"context-envelope", Flag::Kind::Text, "FILE", "evidence of the context the agent worked in"},
    {"context-evidence", Flag::Kind::Text, "KIND", "envelope (default), or intent: the intent's own claims count"},
    {"gait-args", Flag::Kind::Switch, "", "trim arguments and round large integers before hashing, as gait does"},
    {"exact-args", Flag::Kind::Switch, "", "outer white space of arguments is bound, not refused"},
    {"wrkr-inventory", Flag::Kind::Text, "FILE", "what is known of tools: rules may ask for it"},
    {"kill-switch-state", Flag::Kind::Text, "FILE", "who is stopped"},
    {"profile", Flag::Kind::Text, "NAME", "standard (default) or oss-prod"},
    {"evaluation-time", Flag::Kind::Text, "RFC3339", "judge rules and windows at that time"},
};

struct Explained {
  const GateInputs& inputs;
  std::string policy_path;
  const gate::Decision& decision;
  gate::Explanation explanation;
  std::string approve;  // the line to run; empty unless approvals are missing
};

std::string where(const Explained& said, int line) {
  return line == 0 ? said.policy_path : said.policy_path + ":" + std::to_string(line);
}

Json json_of(const Explained& said) {
  Json out = Json::object({{"ok", true}, {"verdict", Json(statement::name_of(said.decision.verdict))}});
  gate::put(out, "reason_codes", said.decision.reason_codes);
  gate::put(out, "violations", said.decision.violations);
  out.set("policy", Json::object({{"path", said.policy_path}, {"digest", said.inputs.policy_digest.hex()}}));
  out.set("intent_digest", Json(said.inputs.intent_digest.hex()));
  gate::put(out, "context_source", said.decision.context_source);
  const Json explanation = said.explanation.json();
  for (const auto& [name, value] : explanation.as_object()) out.set(name, value);
  if (said.approve.empty()) return out;
  gate::put(out, "required_approvals", said.decision.required_approvals);
  gate::put_flag(out, "distinct_approvers", said.decision.distinct_approvers);
  gate::put(out, "required_scopes", said.decision.required_scopes);
  gate::put(out, "approve", said.approve);
  return out;
}

std::string text_of(const Explained& said) {
  std::string text = padded("verdict", 14) + std::string(statement::name_of(said.decision.verdict)) + "\n" +
                     padded("policy", 14) + said.policy_path + " " + said.inputs.policy_digest.hex() + "\n" +
                     padded("intent", 14) + said.inputs.intent_digest.hex() + "\n";
  for (const gate::ExplainedRule& rule : said.explanation.rules) {
    text += padded("rule", 14) + rule.name + " (" + where(said, rule.line) + ", priority " +
            std::to_string(rule.priority) + "): " + std::string(statement::name_of(rule.effect));
    if (rule.verdict != rule.effect) text += ", with its constraints " + std::string(statement::name_of(rule.verdict));
    text += rule.decides ? "\n" : "; a stricter rule decides\n";
  }
  for (const gate::ExplainedReason& reason : said.explanation.reasons) {
    text += "\n" + reason.code + (reason.step < 0 ? "" : " (step " + std::to_string(reason.step) + ")") + "\n";
    const std::string member = reason.member.empty() ? "" : " " + reason.member;
    text += padded("  said by", 18) + where(said, reason.line) + (reason.rule.empty() ? "" : " rule " + reason.rule) +
            member + "\n";
    text += padded("  looked at", 18) + reason.evidence + "\n";
    text += padded("  would change it", 18) + reason.would_change + "\n";
  }
  if (!said.approve.empty()) {
    text += "\n" + std::to_string(said.decision.required_approvals) + " approval(s)" +
            (said.decision.distinct_approvers ? " from different people" : "") + "; each approver runs:\n  " +
            said.approve + "\n";
  }
  return text;
}

Result<int> explain(Call& call, const Arguments& arguments) {
  if (!arguments.positionals().empty()) return Error{ErrorCode::Invalid, "unexpected positional arguments"};
  const std::string policy_path(trimmed(arguments.text("policy")));
  const Result<GateInputs> inputs = read_gate_inputs(arguments, SystemClock().now());
  if (!inputs) return inputs.error();
  ASSIGN_OR_RETURN(const gate::Decision decision,
                   gate::evaluate(inputs->policy, inputs->judged, inputs->evidence, inputs->evaluated_at));
  const bool asks = decision.verdict == statement::Verdict::RequireApproval;
  const Explained said{
      *inputs, policy_path, decision,
      gate::explained(inputs->policy, inputs->judged, inputs->evidence, decision, inputs->evaluated_at),
      asks ? approve_line(*inputs, decision.required_scopes) : std::string()};
  call.console.answer(call.json ? json_of(said).compact() + "\n" : text_of(said));
  for (const std::string& warning : inputs->warnings) call.console.tell("warning: " + warning);
  return gate::exit_code_of(decision.verdict);
}

}  // namespace

Command gate_explain_command() {
  return {"gate explain",
          "--policy FILE --intent FILE [flags]",
          "Says which rule and line decides about an intent, on what evidence, and what would change it",
          "Judges the intent before any approval. Exits as gate eval does, and signs, redeems and writes nothing.",
          "countersign gate explain --policy policy.yaml --intent intent.json",
          kFlags,
          Positionals::Anywhere,
          Shape::Ours,
          explain};
}

}  // namespace countersign::command
