#include "gate/decision/evaluate.h"

#include "common/text.h"
#include "gate/decision/decision_parts.h"
#include "gate/decision/fail_closed.h"
#include "gate/decision/rules_decision.h"
#include "gate/decision/script_decision.h"

namespace countersign::gate {
namespace {

// Step 3: nothing else is looked at, not even the steps of a script.
Decision failed_closed(FailClosedFindings findings) {
  Decision decision;
  decision.reason_codes = std::move(findings.reasons);
  decision.violations = std::move(findings.violations);
  decision.has_context_reason = findings.has_context_reason;
  make_set(decision.reason_codes);
  make_set(decision.violations);
  return decision;
}

Decision decide(const Policy& policy, const JudgedIntent& judged, const Evidence& evidence, UtcTime now) {
  if (auto findings = fail_closed_findings(policy.fail_closed(), judged)) return failed_closed(*std::move(findings));
  if (!judged.intent.is_script()) return decide_by_rules(policy, judged, now);
  return decide_script(policy, judged, evidence.inventory ? &*evidence.inventory : nullptr, now);
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
  decision.stopped_by_kill_switch = true;
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
  decision.stopped_by_kill_switch = true;
  decision.verdict = Verdict::Block;
  decision.required_approvals = 0;
  decision.distinct_approvers = false;
  add_all(decision.reason_codes, finding->reason_codes);
  decision.violations.emplace_back("kill_switch_active");
  make_set(decision.reason_codes);
  make_set(decision.violations);
}

}  // namespace

std::vector<std::string> Decision::rule_names() const {
  std::vector<std::string> out;
  std::string_view names = matched_rule;
  while (!names.empty()) {
    const std::size_t comma = std::min(names.find(','), names.size());
    out.emplace_back(names.substr(0, comma));
    names.remove_prefix(std::min(comma + 1, names.size()));
  }
  return out;
}

Result<Decision> evaluate(const Policy& policy, const JudgedIntent& judged, const Evidence& evidence, UtcTime now) {
  const Intent& intent = judged.intent;
  Decision decision;
  if (evidence.kill_switch_unavailable) {
    decision = without_kill_switch(now);
  } else {
    decision = decide(policy, judged, evidence, now);
    if (evidence.kill_switch) apply_kill_switch(*evidence.kill_switch, intent, now, decision);
  }
  decision.required_scopes = required_scopes(intent);
  decision.destructive = intent.has_destructive_target();
  decision.phase = intent.context().phase;
  decision.context_source = judged.context.sources();
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
