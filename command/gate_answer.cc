#include "command/gate_answer.h"

#include <algorithm>
#include <string_view>

#include "command/padded.h"
#include "common/joined.h"
#include "gate/optional_members.h"
#include "gate/policy_explain.h"

namespace countersign::command {
namespace {

using gate::put;
using gate::put_flag;
using gate::put_member;
using statement::Verdict;

// What to do about a reason, for people. The first row whose code begins with `prefix` counts.
struct Advice {
  std::string_view prefix;
  std::string_view text;
};
constexpr Advice kAdvice[] = {
    {"context_evidence_missing", "the rule wants evidence of what the agent read: pass --context-envelope FILE"},
    {"context_evidence_mode_mismatch", "the context envelope must say evidence_mode \"required\""},
    {"context_freshness_exceeded", "the context is too old: gather it again and pass the new --context-envelope"},
    {"approval_token_consumed", "an approval is redeemed once: ask its approver for a new one"},
    {"approval_token_expired", "an approval has expired: ask its approver for a new one"},
    {"approval_token_intent_mismatch", "an approval is for another intent: it does not carry over"},
    {"approval_token_policy_mismatch", "an approval was given under another policy: it does not carry over"},
    {"approval_token_scope_mismatch", "an approval does not cover every scope this intent needs"},
    {"approval_token_signature", "an approval is not signed by a published approval key: it was edited or is foreign"},
    {"approval_token_invalid", "an approval file is no approval token"},
    {"approval_distinct_approvers_required", "the approvals must come from different people"},
    {"kill_switch", "a kill switch stops this: see the member kill_switch"},
    {"freeze_window", "a freeze window is in force: see the member freeze_window"},
    {"delegation_token_missing", "the rule wants a delegation, which this command does not take yet"},
    {"broker_credential_required", "the rule wants a brokered credential, which this command does not take yet"},
};

void advise(const std::vector<std::string>& codes, std::vector<std::string>& lines) {
  for (const std::string& code : codes) {
    const auto advice =
        std::ranges::find_if(kAdvice, [&code](const Advice& row) { return code.starts_with(row.prefix); });
    if (advice == std::end(kAdvice)) continue;
    std::string line = code + ": " + std::string(advice->text);
    if (std::ranges::find(lines, line) == lines.end()) lines.push_back(std::move(line));
  }
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
  put(members, "approval_audit_path", answer.audit_path);
  put_flag(members, "delegation_required", decision.delegation_required);
  put(members, "trace_id", answer.trace_id);
  put(members, "trace_path", answer.trace_path);
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
  // Ours: what an approval must cover, so that nobody has to guess.
  if (!answer.as_gait && decision.verdict == Verdict::RequireApproval)
    put(members, "required_scopes", decision.required_scopes);
  put(members, "warnings", answer.warnings);
  return members;
}

Json explain_json(const GateAnswer& answer) {
  gate::ExplainInputs inputs{
      .policy = answer.inputs.policy, .judged = answer.inputs.judged, .decision = answer.decision};
  inputs.valid_approvals = answer.judgement ? answer.judgement->valid : 0;
  inputs.created_at = answer.decision.decided_at.value_or(answer.inputs.judged.intent.fields().created_at);
  inputs.trace_id = answer.trace_id;
  inputs.trace_path = answer.trace_path;
  inputs.approval_audit_path = answer.audit_path;
  return gate::policy_explain(inputs);
}

std::string gate_text(const GateAnswer& answer) {
  std::string text;
  const auto line = [&text](std::string_view name, const std::string& value) {
    if (value.empty()) return;
    text += padded(name, 14) + value + "\n";
  };
  const gate::Decision shown = answer.simulate ? simulated(answer.decision) : answer.decision;
  line("verdict", std::string(statement::name_of(shown.verdict)) + (answer.simulate ? " (simulated)" : "") +
                      (answer.check ? " (checked, nothing is signed or redeemed)" : ""));
  line("reasons", joined(shown.reason_codes, ", "));
  line("violations", joined(shown.violations, ", "));
  line("rule", answer.decision.matched_rule);
  if (answer.decision.required_approvals > 0) {
    line("approvals", std::to_string(answer.judgement ? answer.judgement->valid : 0) + " of " +
                          std::to_string(answer.decision.required_approvals));
  }
  line("intent_digest", answer.inputs.intent_digest.hex());
  line("policy_digest", answer.inputs.policy_digest.hex());
  line("trace", answer.trace_path);
  line("audit", answer.audit_path);
  return text;
}

std::string approve_line(const GateAnswer& answer) {
  return "countersign approve --intent-digest " + answer.inputs.intent_digest.hex() + " --policy-digest " +
         answer.inputs.policy_digest.hex() + " --scope " + joined(answer.decision.required_scopes, ",") +
         " --approver \"$APPROVER\" --reason-code \"$TICKET\" --json > token.json";
}

std::vector<std::string> next_steps(const GateAnswer& answer) {
  std::vector<std::string> lines;
  if (answer.simulate) return lines;
  const gate::Decision& decision = answer.decision;
  if (decision.verdict != Verdict::Block && decision.verdict != Verdict::RequireApproval) return lines;
  advise(decision.reason_codes, lines);
  if (decision.verdict == Verdict::Block) {
    lines.emplace_back("blocked: nothing may run; change the intent, its evidence or the policy, and evaluate again");
    return lines;
  }
  const std::int64_t valid = answer.judgement ? answer.judgement->valid : 0;
  const std::int64_t missing = std::max<std::int64_t>(decision.required_approvals - valid, 1);
  lines.push_back("approval required: " + std::to_string(missing) + " more " +
                  (missing == 1 ? "approver" : "approvers") +
                  (decision.distinct_approvers ? ", each another person" : "") + ". Each of them runs:");
  lines.push_back("  " + approve_line(answer));
  lines.emplace_back("then evaluate again with --approval-token and --approval-token-chain");
  return lines;
}

}  // namespace countersign::command
