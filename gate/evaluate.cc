#include "gate/evaluate.h"

#include <algorithm>

#include "common/joined.h"
#include "common/text.h"
#include "gate/fail_closed.h"
#include "gate/rule_match.h"
#include "gate/rule_outcome.h"

namespace countersign::gate {
namespace {

constexpr std::int64_t kMostSteps = 64;

void add_all(Texts& to, const Texts& from) {
  to.insert(to.end(), from.begin(), from.end());
}

void make_set(Texts& texts) {
  std::sort(texts.begin(), texts.end());
  texts.erase(std::unique(texts.begin(), texts.end()), texts.end());
}

// The limit that allows fewer requests in an hour.
void keep_tighter(std::optional<RateRule>& kept, const std::optional<RateRule>& other) {
  const auto per_hour = [](const RateRule& rate) { return rate.window == "hour" ? rate.requests : rate.requests * 60; };
  if (other && (!kept || per_hour(*other) < per_hour(*kept))) kept = other;
}

int freeze_rank(const Json& decision) {
  const std::string_view status = decision.text("status");
  if (status == "invalid") return 3;
  if (status != "active") return 0;
  return decision.text("effect") == "block" ? 2 : 1;
}

int sandbox_rank(const Json& decision) {
  const std::string_view status = decision.text("status");
  if (status == "missing") return 3;
  if (status == "disallowed") return 2;
  return status == "invalid" ? 1 : 0;
}

void keep_worse(std::optional<Json>& kept, const std::optional<Json>& other, int (*rank)(const Json&)) {
  if (other && (!kept || rank(*other) > rank(*kept))) kept = other;
}

// Every rule of the best priority that speaks about the intent (gait-formats §7 step 5).
std::vector<const Rule*> rules_for(const Policy& policy, const Intent& intent) {
  std::vector<const Rule*> out;
  for (const Rule& rule : policy.rules()) {
    if (!out.empty() && rule.priority != out.front()->priority) break;
    if (matches(rule, intent)) out.push_back(&rule);
  }
  return out;
}

void merge(const Rule& rule, const RuleOutcome& outcome, Decision& decision, Texts& references) {
  add_all(decision.reason_codes, outcome.reasons);
  add_all(decision.violations, outcome.violations);
  decision.required_approvals = std::max(decision.required_approvals, outcome.min_approvals);
  decision.distinct_approvers = decision.distinct_approvers || rule.require_distinct_approvers;
  decision.has_context_reason = decision.has_context_reason || outcome.has_context_reason;
  decision.delegation_required = decision.delegation_required || demands_delegation(rule.match);
  if (rule.require_broker_credential) {
    decision.broker.required = true;
    if (!rule.broker_reference.empty()) references.push_back(rule.broker_reference);
    add_all(decision.broker.scopes, rule.broker_scopes);
  }
  keep_tighter(decision.rate_limit, rule.rate_limit);
  keep_tighter(decision.destructive_budget, rule.destructive_budget);
  keep_worse(decision.freeze_window, outcome.freeze_window, freeze_rank);
  keep_worse(decision.sandbox, outcome.sandbox, sandbox_rank);
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

// One intent that is no script, or one step of one: steps 3 and 5.
Decision decide_one(const Policy& policy, const JudgedIntent& judged, UtcTime now) {
  Decision decision;
  if (const auto findings = fail_closed_findings(policy.fail_closed(), judged)) {
    decision.reason_codes = findings->reasons;
    decision.violations = findings->violations;
    decision.has_context_reason = findings->has_context_reason;
  } else {
    const std::vector<const Rule*> rules = rules_for(policy, judged.intent);
    if (rules.empty()) decide_by_default(policy, judged.intent, decision);
    std::vector<RuleOutcome> outcomes;
    Texts names;
    for (const Rule* rule : rules) {
      outcomes.push_back(outcome_of(*rule, judged, now));
      names.push_back(rule->name);
    }
    if (!rules.empty()) decision.verdict = Verdict::Allow;
    for (const RuleOutcome& outcome : outcomes) decision.verdict = std::max(decision.verdict, outcome.effect);
    Texts references;
    for (std::size_t i = 0; i < rules.size(); ++i) {
      if (outcomes[i].effect == decision.verdict) merge(*rules[i], outcomes[i], decision, references);
    }
    make_set(names);
    decision.matched_rule = joined(names, ",");
    make_set(references);
    decision.broker.reference = joined(references, ",");
  }
  if (decision.verdict != Verdict::RequireApproval) {
    decision.required_approvals = 0;
    decision.distinct_approvers = false;
  }
  make_set(decision.reason_codes);
  make_set(decision.violations);
  make_set(decision.broker.scopes);
  return decision;
}

enum class StepRisk { Low, Medium, High };

StepRisk risk_of(const Intent& step) {
  StepRisk risk = StepRisk::Low;
  for (const Target& target : step.fields().targets) {
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
  }
  keep_tighter(decision.rate_limit, step.rate_limit);
  keep_tighter(decision.destructive_budget, step.destructive_budget);
  keep_worse(decision.freeze_window, step.freeze_window, freeze_rank);
  keep_worse(decision.sandbox, step.sandbox, sandbox_rank);
  // A step may have matched several rules; their names are already joined.
  std::string_view names = step.matched_rule;
  while (!names.empty()) {
    const std::size_t comma = std::min(names.find(','), names.size());
    rules.emplace_back(names.substr(0, comma));
    names.remove_prefix(std::min(comma + 1, names.size()));
  }
}

// gait-formats §12: every step as an intent of its own, then the script's own limits.
Decision decide_script(const Policy& policy, const JudgedIntent& judged, UtcTime now) {
  Decision decision;
  decision.verdict = Verdict::Allow;
  const std::size_t count = judged.intent.fields().script->size();
  Texts rules;
  StepRisk highest = StepRisk::Low;
  bool mixed = false;
  for (std::size_t i = 0; i < count; ++i) {
    const JudgedIntent step{judged.intent.step(i), judged.context};
    const Decision decided = decide_one(policy, step, now);
    merge_step(decided, decision, rules);
    const StepRisk risk = risk_of(step.intent);
    if (i > 0 && risk != risk_of(judged.intent.step(0))) mixed = true;
    highest = std::max(highest, risk);
    decision.step_verdicts.push_back({static_cast<std::int64_t>(i), step.intent.fields().tool_name, decided.verdict,
                                      decided.reason_codes, decided.violations, decided.matched_rule});
  }
  decision.step_count = static_cast<std::int64_t>(count);
  decision.composite_risk_class = name_of(highest);
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

Texts required_scopes(const Intent& intent) {
  Texts scopes = {"tool:" + intent.fields().tool_name};
  if (intent.context().phase == "apply" && intent.has_destructive_target()) {
    scopes.emplace_back("destructive:apply");
    scopes.emplace_back("phase:apply");
  }
  make_set(scopes);
  return scopes;
}

// Step 4: nothing else was looked at.
Decision without_kill_switch(UtcTime now) {
  constexpr const char* kCode = "kill_switch_state_unavailable";
  Decision decision;
  decision.reason_codes = {kCode};
  decision.violations = {kCode};
  decision.kill_switch = Json::object({{"status", "unavailable"},
                                       {"reason_code", kCode},
                                       {"reason_codes", Json::array({kCode})},
                                       {"evaluated_at", now.rfc3339()}});
  return decision;
}

void apply_kill_switch(const KillSwitch& state, const Intent& intent, UtcTime now, Decision& decision) {
  const auto finding = state.finding(intent, now);
  if (!finding) {
    decision.kill_switch = Json::object({{"status", "inactive"}, {"evaluated_at", now.rfc3339()}});
    return;
  }
  decision.kill_switch = finding->json;
  decision.verdict = Verdict::Block;
  decision.required_approvals = 0;
  decision.distinct_approvers = false;
  add_all(decision.reason_codes, finding->reason_codes);
  decision.violations.emplace_back("kill_switch_active");
  make_set(decision.reason_codes);
  make_set(decision.violations);
}

}  // namespace

Result<Decision> evaluate(const Policy& policy, const JudgedIntent& judged, const Evidence& evidence, UtcTime now) {
  const Intent& intent = judged.intent;
  Decision decision;
  if (evidence.kill_switch_unavailable) {
    decision = without_kill_switch(now);
  } else {
    decision = intent.is_script() ? decide_script(policy, judged, now) : decide_one(policy, judged, now);
    if (evidence.kill_switch) apply_kill_switch(*evidence.kill_switch, intent, now, decision);
  }
  decision.required_scopes = required_scopes(intent);
  decision.destructive = intent.has_destructive_target();
  decision.phase = intent.context().phase;
  decision.context_source = judged.context.source;
  return decision;
}

Json step_verdicts_json(const std::vector<StepVerdict>& steps) {
  Json::Array out;
  for (const StepVerdict& step : steps) {
    Json json = Json::object({{"index", Json(step.index)},
                              {"tool_name", step.tool_name},
                              {"verdict", Json(statement::name_of(step.verdict))}});
    if (!step.reason_codes.empty()) json.set("reason_codes", Json::array(step.reason_codes));
    if (!step.violations.empty()) json.set("violations", Json::array(step.violations));
    if (!step.matched_rule.empty()) json.set("matched_rule", Json(step.matched_rule));
    out.push_back(std::move(json));
  }
  return Json(std::move(out));
}

}  // namespace countersign::gate
