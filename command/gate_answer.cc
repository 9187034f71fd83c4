#include "command/gate_answer.h"

#include <algorithm>
#include <string_view>

namespace countersign::command {
namespace {

using statement::Verdict;

std::string joined(const std::vector<std::string>& texts, std::string_view separator) {
  std::string all;
  for (const std::string& text : texts) {
    if (!all.empty()) all += separator;
    all += text;
  }
  return all;
}

// gait's omitempty.
class Members {
 public:
  void text(std::string_view name, std::string_view value) {
    if (!value.empty()) json_.set(name, value);
  }
  void texts(std::string_view name, const std::vector<std::string>& values) {
    if (!values.empty()) json_.set(name, Json::array(values));
  }
  void number(std::string_view name, std::int64_t value) {
    if (value != 0) json_.set(name, value);
  }
  void flag(std::string_view name, bool value) {
    if (value) json_.set(name, true);
  }
  void member(std::string_view name, const std::optional<Json>& value) {
    if (value && !value->is_null()) json_.set(name, *value);
  }
  Json done() && { return std::move(json_); }

 private:
  Json json_ = Json::object({{"ok", true}});
};

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

std::string_view shown_verdict(const GateAnswer& answer) {
  return statement::name_of(answer.simulate ? Verdict::Allow : answer.decision.verdict);
}

std::vector<std::string> shown_reasons(const GateAnswer& answer) {
  std::vector<std::string> reasons = answer.decision.reason_codes;
  if (!answer.simulate) return reasons;
  reasons.emplace_back("simulate_mode_non_enforcing");
  const Verdict verdict = answer.decision.verdict;
  if (verdict == Verdict::Block || verdict == Verdict::RequireApproval) {
    reasons.push_back("simulated_" + std::string(statement::name_of(verdict)));
  }
  std::ranges::sort(reasons);
  return reasons;
}

}  // namespace

Json gate_json(const GateAnswer& answer) {
  const gate::Decision& decision = answer.decision;
  const gate::ContextEvidence& context = answer.inputs.judged.context;
  Members members;
  members.text("profile", answer.profile);
  members.text("verdict", shown_verdict(answer));
  members.texts("reason_codes", shown_reasons(answer));
  if (!answer.simulate) members.texts("violations", decision.violations);
  members.number("required_approvals", decision.required_approvals);
  if (answer.judgement) {
    members.text("approval_ref", answer.judgement->approval_ref);
    members.number("valid_approvals", answer.judgement->valid);
  }
  members.text("approval_audit_path", answer.audit_path);
  members.flag("delegation_required", decision.delegation_required);
  members.text("trace_id", answer.trace_id);
  members.text("trace_path", answer.trace_path);
  members.text("policy_digest", answer.inputs.policy_digest.hex());
  members.text("intent_digest", answer.inputs.intent_digest.hex());
  members.text("context_set_digest", context.set_digest);
  members.text("context_evidence_mode", context.mode);
  members.number("context_ref_count", static_cast<std::int64_t>(context.refs.size()));
  members.text("context_source", context.source);
  members.flag("script", answer.inputs.judged.intent.is_script());
  members.number("step_count", decision.step_count);
  if (const std::optional<Digest> hash = answer.inputs.judged.intent.script_hash()) {
    members.text("script_hash", hash->hex());
  }
  members.text("composite_risk_class", decision.composite_risk_class);
  if (!decision.step_verdicts.empty())
    members.member("step_verdicts", gate::step_verdicts_json(decision.step_verdicts));
  members.text("matched_rule", decision.matched_rule);
  members.member("freeze_window", decision.freeze_window);
  members.member("sandbox", decision.sandbox);
  members.member("kill_switch", decision.kill_switch);
  members.text("phase", decision.phase);
  if (answer.simulate) {
    members.flag("simulate_mode", true);
    members.flag("would_have_blocked",
                 decision.verdict == Verdict::Block || decision.verdict == Verdict::RequireApproval);
    members.text("simulated_verdict", statement::name_of(decision.verdict));
    members.texts("simulated_reason_codes", decision.reason_codes);
  }
  members.flag("check", answer.check);
  // Ours: what an approval must cover, so that nobody has to guess.
  if (decision.verdict == Verdict::RequireApproval) members.texts("required_scopes", decision.required_scopes);
  members.texts("warnings", answer.warnings);
  return std::move(members).done();
}

std::string gate_text(const GateAnswer& answer) {
  std::string text;
  const auto line = [&text](std::string name, const std::string& value) {
    if (value.empty()) return;
    name.resize(14, ' ');
    text += name + value + "\n";
  };
  line("verdict", std::string(shown_verdict(answer)) + (answer.simulate ? " (simulated, nothing is signed)" : "") +
                      (answer.check ? " (checked, nothing is signed or redeemed)" : ""));
  line("reasons", joined(shown_reasons(answer), ", "));
  line("violations", answer.simulate ? "" : joined(answer.decision.violations, ", "));
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
