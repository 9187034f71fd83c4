#include "gate/decision/script_decision.h"

#include <algorithm>

#include "common/joined.h"
#include "gate/decision/decision_parts.h"
#include "gate/decision/rules_decision.h"

namespace countersign::gate {
namespace {

constexpr std::int64_t kMostSteps = 64;

enum class StepRisk { Low, Medium, High };

StepRisk risk_of(const std::vector<Target>& targets) {
  StepRisk risk = StepRisk::Low;
  for (const Target& target : targets) {
    const std::string& endpoint_class = target.endpoint_class;
    if (target.destructive || endpoint_class == "fs.delete" || endpoint_class == "proc.exec") return StepRisk::High;
    if (endpoint_class == "fs.write" || endpoint_class == "net.http" || endpoint_class == "net.dns") {
      risk = StepRisk::Medium;
    }
  }
  return risk;
}

std::string_view name_of(StepRisk risk) {
  switch (risk) {
    case StepRisk::Low:
      return "low";
    case StepRisk::Medium:
      return "medium";
    case StepRisk::High:
      return "high";
  }
  return "high";
}

void merge_step(const Decision& step, Decision& decision, Texts& rules) {
  decision.verdict = std::max(decision.verdict, step.verdict);
  add_all(decision.reason_codes, step.reason_codes);
  add_all(decision.violations, step.violations);
  decision.required_approvals = std::max(decision.required_approvals, step.required_approvals);
  decision.distinct_approvers = decision.distinct_approvers || step.distinct_approvers;
  decision.has_context_reason = decision.has_context_reason || step.has_context_reason;
  decision.delegation_required = decision.delegation_required || step.delegation_required;
  if (step.broker.required) {
    if (!decision.broker.required) decision.broker.reference = step.broker.reference;
    decision.broker.required = true;
    add_all(decision.broker.scopes, step.broker.scopes);
    keep_least(decision.broker.max_ttl_seconds, step.broker.max_ttl_seconds);
  }
  keep_tighter(decision.rate_limit, step.rate_limit);
  keep_tighter(decision.destructive_budget, step.destructive_budget);
  keep_worse_freeze(decision.freeze_window, step.freeze_window);
  keep_worse_sandbox(decision.sandbox, step.sandbox);
  add_all(rules, step.rule_names());
}

}  // namespace

std::string composite_risk_of(const Intent& script) {
  StepRisk highest = StepRisk::Low;
  for (const ScriptStep& step : *script.fields().script) highest = std::max(highest, risk_of(step.targets));
  return std::string(name_of(highest));
}

Decision decide_script(const Policy& policy, const JudgedIntent& judged, const ToolInventory* inventory, UtcTime now) {
  Decision decision;
  decision.verdict = Verdict::Allow;
  const std::size_t count = judged.intent.fields().script->size();
  Texts rules;
  bool mixed = false;
  for (std::size_t i = 0; i < count; ++i) {
    JudgedIntent step{judged.intent.step(i), judged.context};
    if (inventory != nullptr) step = with_inventory(std::move(step), *inventory);
    const Decision decided = decide_by_rules(policy, step, now);
    merge_step(decided, decision, rules);
    const std::vector<ScriptStep>& steps = *judged.intent.fields().script;
    mixed = mixed || risk_of(steps[i].targets) != risk_of(steps.front().targets);
    decision.step_verdicts.push_back({static_cast<std::int64_t>(i), step.intent.fields().tool_name, decided.verdict,
                                      decided.reason_codes, decided.violations, decided.matched_rule});
  }
  decision.step_count = static_cast<std::int64_t>(count);
  decision.composite_risk_class = composite_risk_of(judged.intent);
  const ScriptRules& limits = policy.scripts();
  if (decision.step_count > (limits.max_steps == 0 ? kMostSteps : limits.max_steps)) {
    decision.verdict = Verdict::Block;
    decision.reason_codes.emplace_back("script_max_steps_exceeded");
    decision.violations.emplace_back("script_max_steps_exceeded");
  }
  if (limits.require_approval_above > 0 && decision.step_count > limits.require_approval_above) {
    decision.verdict = std::max(decision.verdict, Verdict::RequireApproval);
    decision.reason_codes.emplace_back("script_step_threshold_approval");
  }
  if (limits.block_mixed_risk && mixed) {
    decision.verdict = Verdict::Block;
    decision.reason_codes.emplace_back("script_mixed_risk_blocked");
    decision.violations.emplace_back("script_mixed_risk");
  }
  if (decision.verdict == Verdict::RequireApproval && decision.required_approvals == 0) decision.required_approvals = 1;
  make_set(decision.reason_codes);
  make_set(decision.violations);
  make_set(decision.broker.scopes);
  make_set(rules);
  decision.matched_rule = joined(rules, ",");
  return decision;
}

}  // namespace countersign::gate
