#include "gate/decision/rules_decision.h"

#include <algorithm>

#include "common/joined.h"
#include "gate/decision/decision_parts.h"
#include "gate/decision/rule_match.h"
#include "gate/decision/rule_outcome.h"

namespace countersign::gate {
namespace {

void merge(const Rule& rule, const RuleOutcome& outcome, Decision& decision, Texts& references) {
  add_all(decision.reason_codes, outcome.reasons);
  add_all(decision.violations, outcome.violations);
  decision.required_approvals = std::max(decision.required_approvals, outcome.min_approvals);
  decision.distinct_approvers = decision.distinct_approvers || rule.require_distinct_approvers;
  decision.has_context_reason = decision.has_context_reason || outcome.has_context_reason;
  decision.delegation_required = decision.delegation_required || rule.match.require_delegation;
  if (rule.require_broker_credential) {
    decision.broker.required = true;
    if (!rule.broker_reference.empty()) references.push_back(rule.broker_reference);
    add_all(decision.broker.scopes, rule.broker_scopes);
    keep_least(decision.broker.max_ttl_seconds, rule.max_credential_ttl_seconds);
  }
  keep_tighter(decision.rate_limit, rule.rate_limit);
  keep_tighter(decision.destructive_budget, rule.destructive_budget);
  keep_worse_freeze(decision.freeze_window, outcome.freeze_window);
  keep_worse_sandbox(decision.sandbox, outcome.sandbox);
}

void decide_by_default(const Policy& policy, const Intent& intent, Decision& decision) {
  decision.verdict = policy.default_verdict();
  decision.reason_codes = {"default_" + std::string(statement::name_of(decision.verdict))};
  // gait leaves a default allow as it is (gait-formats §19.13): what a matched rule may not allow without approval, no
  // rule at all may not either.
  if (decision.verdict == Verdict::Allow && intent.has_destructive_target()) {
    const bool plan = intent.context().phase == "plan";
    decision.verdict = plan ? Verdict::DryRun : Verdict::RequireApproval;
    decision.reason_codes.emplace_back(plan ? "plan_phase_non_destructive" : "destructive_apply_requires_approval");
  }
  if (decision.verdict == Verdict::RequireApproval) decision.required_approvals = 1;
}

}  // namespace

std::vector<const Rule*> rules_for(const Policy& policy, const Intent& intent) {
  std::vector<const Rule*> out;
  for (const Rule& rule : policy.rules()) {
    if (!out.empty() && rule.priority != out.front()->priority) break;
    if (matches(rule, intent)) out.push_back(&rule);
  }
  return out;
}

Decision decide_by_rules(const Policy& policy, const JudgedIntent& judged, UtcTime now) {
  Decision decision;
  const std::vector<const Rule*> rules = rules_for(policy, judged.intent);
  if (rules.empty()) {
    decide_by_default(policy, judged.intent, decision);
    return decision;
  }
  std::vector<RuleOutcome> outcomes;
  Texts names;
  for (const Rule* rule : rules) {
    outcomes.push_back(outcome_of(*rule, judged, now));
    names.push_back(rule->name);
  }
  decision.verdict = Verdict::Allow;
  for (const RuleOutcome& outcome : outcomes) decision.verdict = std::max(decision.verdict, outcome.effect);
  Texts references;
  for (std::size_t i = 0; i < rules.size(); ++i) {
    if (outcomes[i].effect == decision.verdict) merge(*rules[i], outcomes[i], decision, references);
  }
  make_set(names);
  decision.matched_rule = joined(names, ",");
  make_set(references);
  decision.broker.reference = joined(references, ",");
  if (decision.verdict != Verdict::RequireApproval) {
    decision.required_approvals = 0;
    decision.distinct_approvers = false;
  }
  make_set(decision.reason_codes);
  make_set(decision.violations);
  make_set(decision.broker.scopes);
  return decision;
}

}  // namespace countersign::gate
