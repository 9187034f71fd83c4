#include "command/decision/gate_answer.h"

#include <algorithm>
#include <string_view>

#include "command/line/padded.h"
#include "common/joined.h"
#include "common/shell_word.h"
#include "gate/document/optional_members.h"
#include "gate/explanation/explanation.h"
#include "gate/explanation/policy_explain.h"

namespace countersign::command {
namespace {

using gate::put;
using gate::put_flag;
using gate::put_member;
using statement::Verdict;

// Ours: what an approval must cover, so that nobody has to guess, and why it is as it is.
constexpr std::string_view kOurs[] = {"required_scopes", "distinct_approvers", "approve", "policy", "explanation"};

void put_ours(Json& members, const GateAnswer& answer) {
  const gate::Decision& decision = answer.decision;
  const GateInputs& inputs = answer.inputs;
  if (decision.verdict == Verdict::RequireApproval) {
    put(members, "required_scopes", decision.required_scopes);
    put_flag(members, "distinct_approvers", decision.distinct_approvers);
    put(members, "approve", approve_line(inputs, decision.required_scopes));
  }
  Json policy = Json::object({{"digest", inputs.policy_digest.hex()}});
  put(policy, "path", answer.policy_path);
  members.set("policy", std::move(policy));
  members.set("explanation",
              gate::explained(inputs.policy, inputs.judged, inputs.evidence, decision, inputs.evaluated_at).json());
}

std::int64_t number(const Json& members, std::string_view name) {
  const Json* member = members.find(name);
  return member != nullptr && member->is_integer() ? member->as_integer() : 0;
}

bool flag(const Json& members, std::string_view name) {
  const Json* member = members.find(name);
  return member != nullptr && member->is_bool() && member->as_bool();
}

// "policy.yaml:12, rule writes", as much of it as is known.
std::string place_of(const Json& reason, std::string_view path) {
  const std::int64_t line = number(reason, "line");
  std::string out(line > 0 ? (path.empty() ? std::string_view("policy") : path) : std::string_view());
  if (line > 0) out += ":" + std::to_string(line);
  if (const std::string_view rule = reason.text("rule"); !rule.empty()) {
    out += (out.empty() ? "rule " : ", rule ") + std::string(rule);
  }
  return out;
}

void explain(const Json& members, std::vector<std::string>& lines) {
  const Json* explanation = members.find("explanation");
  const Json* reasons = explanation == nullptr ? nullptr : explanation->find("reasons");
  if (reasons == nullptr || !reasons->is_array()) return;
  const Json* policy = members.find("policy");
  const std::string_view path = policy == nullptr ? std::string_view() : policy->text("path");
  for (const Json& reason : reasons->as_array()) {
    const std::string place = place_of(reason, path);
    std::string line = std::string(reason.text("code")) + (place.empty() ? "" : " (" + place + ")") + ": " +
                       std::string(reason.text("evidence")) + "; would change with " +
                       std::string(reason.text("would_change"));
    if (std::ranges::find(lines, line) == lines.end()) lines.push_back(std::move(line));
  }
}

// --scope is gait's list, in which a comma ends an entry.
std::string scope_flags(const std::vector<std::string>& scopes) {
  std::vector<std::string> listed;
  std::string entries;
  for (const std::string& scope : scopes) {
    if (scope.find(',') == std::string::npos) {
      listed.push_back(scope);
    } else {
      entries += " --scope-entry " + shell_word(scope);
    }
  }
  return (listed.empty() ? "" : " --scope " + shell_word(joined(listed, ","))) + entries;
}

}  // namespace

gate::Decision simulated(gate::Decision decision) {
  const Verdict verdict = decision.verdict;
  decision.reason_codes.emplace_back("simulate_mode_non_enforcing");
  if (verdict == Verdict::Block || verdict == Verdict::RequireApproval) {
    decision.reason_codes.push_back("simulated_" + std::string(statement::name_of(verdict)));
    decision.verdict = Verdict::Allow;
  }
  std::ranges::sort(decision.reason_codes);
  decision.violations.clear();
  return decision;
}

Json gate_json(const GateAnswer& answer) {
  const gate::Decision& decision = answer.decision;
  const gate::Decision shown = answer.simulate ? simulated(decision) : decision;
  const gate::ContextEvidence& context = answer.inputs.judged.context;
  Json members = Json::object({{"ok", true}});
  put(members, "profile", answer.profile);
  put(members, "verdict", statement::name_of(shown.verdict));
  put(members, "reason_codes", shown.reason_codes);
  put(members, "violations", shown.violations);
  put(members, "required_approvals", decision.required_approvals);
  if (answer.judgement) {
    put(members, "approval_ref", answer.judgement->approval_ref);
    put(members, "valid_approvals", answer.judgement->valid);
  }
  put_flag(members, "delegation_required", decision.delegation_required);
  put(members, "trace_id", answer.trace_id);
  put(members, "policy_digest", answer.inputs.policy_digest.hex());
  put(members, "intent_digest", answer.inputs.intent_digest.hex());
  put(members, "context_set_digest", context.set_digest);
  put(members, "context_evidence_mode", context.mode);
  put(members, "context_ref_count", static_cast<std::int64_t>(context.refs.size()));
  put(members, "context_source", context.sources());
  // A gate that fails closed does not look at the steps.
  put_flag(members, "script", decision.step_count > 0);
  put(members, "step_count", decision.step_count);
  if (const std::optional<Digest> hash = answer.inputs.judged.intent.script_hash(); hash && decision.step_count > 0) {
    put(members, "script_hash", hash->hex());
  }
  put(members, "composite_risk_class", decision.composite_risk_class);
  if (!decision.step_verdicts.empty())
    put_member(members, "step_verdicts", gate::step_verdicts_json(decision.step_verdicts));
  put_flag(members, "pre_approved", decision.pre_approved);
  put(members, "pattern_id", decision.pattern_id);
  put(members, "registry_reason", decision.registry_reason);
  put(members, "matched_rule", decision.matched_rule);
  put_member(members, "freeze_window", decision.freeze_window);
  put_member(members, "sandbox", decision.sandbox);
  put_member(members, "kill_switch", decision.kill_switch);
  put(members, "phase", decision.phase);
  if (answer.simulate) {
    put_flag(members, "simulate_mode", true);
    put_flag(members, "would_have_blocked",
             decision.verdict == Verdict::Block || decision.verdict == Verdict::RequireApproval);
    put(members, "simulated_verdict", statement::name_of(decision.verdict));
    put(members, "simulated_reason_codes", decision.reason_codes);
  }
  put_flag(members, "check", answer.check);
  if (!answer.simulate) put_ours(members, answer);
  put(members, "warnings", answer.warnings);
  return members;
}

Json explain_json(const GateAnswer& answer) {
  gate::ExplainInputs inputs{
      .policy = answer.inputs.policy, .judged = answer.inputs.judged, .decision = answer.decision};
  inputs.valid_approvals = answer.judgement ? answer.judgement->valid : 0;
  inputs.created_at = answer.decision.decided_at.value_or(answer.inputs.judged.intent.fields().created_at);
  inputs.trace_id = answer.trace_id;
  return gate::policy_explain(inputs);
}

Json without_ours(Json members) {
  for (const std::string_view name : kOurs) members.erase(name);
  return members;
}

std::string gate_text(const Json& members) {
  std::string text;
  const auto line = [&text](std::string_view name, const std::string& value) {
    if (value.empty()) return;
    text += padded(name, 14) + value + "\n";
  };
  const auto listed = [&members](std::string_view name) { return joined(gate::texts_of(members.find(name)), ", "); };
  line("verdict", std::string(members.text("verdict")) + (flag(members, "simulate_mode") ? " (simulated)" : "") +
                      (flag(members, "check") ? " (checked, nothing is signed or redeemed)" : ""));
  line("reasons", listed("reason_codes"));
  line("violations", listed("violations"));
  line("rule", std::string(members.text("matched_rule")));
  if (const std::int64_t required = number(members, "required_approvals"); required > 0) {
    line("approvals", std::to_string(number(members, "valid_approvals")) + " of " + std::to_string(required));
  }
  line("intent_digest", std::string(members.text("intent_digest")));
  line("policy_digest", std::string(members.text("policy_digest")));
  line("trace", std::string(members.text("trace_path")));
  line("audit", std::string(members.text("approval_audit_path")));
  return text;
}

std::string approve_line(const GateInputs& inputs, const std::vector<std::string>& scopes) {
  const std::optional<gate::Delegation>& delegation = inputs.judged.intent.fields().delegation;
  const std::string bound =
      delegation ? " --delegation-binding-digest " + delegation->json().digest().hex() : std::string();
  return "countersign approve --intent-digest " + inputs.intent_digest.hex() + " --policy-digest " +
         inputs.policy_digest.hex() + bound + scope_flags(scopes) +
         " --approver \"$APPROVER\" --reason-code \"$TICKET\" --json > token.json";
}

std::vector<std::string> next_steps(const Json& members) {
  std::vector<std::string> lines;
  const std::string_view verdict = members.text("verdict");
  const bool blocked = verdict == statement::name_of(Verdict::Block);
  if (flag(members, "simulate_mode") || (!blocked && verdict != statement::name_of(Verdict::RequireApproval))) {
    return lines;
  }
  explain(members, lines);
  if (blocked) {
    lines.emplace_back("blocked: nothing may run; change the intent, its evidence or the policy, and evaluate again");
    return lines;
  }
  const std::int64_t missing =
      std::max<std::int64_t>(number(members, "required_approvals") - number(members, "valid_approvals"), 1);
  lines.push_back("approval required: " + std::to_string(missing) + " more " +
                  (missing == 1 ? "approver" : "approvers") +
                  (flag(members, "distinct_approvers") ? ", each another person" : "") + ". Each of them runs:");
  lines.push_back("  " + std::string(members.text("approve")));
  lines.emplace_back("then evaluate again with --approval-token and --approval-token-chain");
  return lines;
}

}  // namespace countersign::command
