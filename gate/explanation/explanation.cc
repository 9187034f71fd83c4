#include "gate/explanation/explanation.h"

#include <algorithm>

#include "common/text.h"
#include "gate/decision/rule_match.h"
#include "gate/decision/rule_outcome.h"
#include "gate/decision/rules_decision.h"
#include "gate/document/optional_members.h"
#include "gate/explanation/reason_code.h"

namespace countersign::gate {
namespace {

// `rule` gave it, or is null; `lines` are those of the rule or of the policy.
ExplainedReason reason_of(const std::string& code, const Rule* rule, const SourceLines& lines) {
  ExplainedReason out;
  out.code = code;
  if (rule != nullptr) out.rule = rule->name;
  const bool own = rule != nullptr && std::ranges::find(rule->reason_codes, code) != rule->reason_codes.end();
  const ReasonCode* row = own ? nullptr : reason_code(code);
  if (row == nullptr) {
    // A word of the policy's own: reason_codes of the rule.
    out.member = "reason_codes";
    out.evidence = "the rule matches";
    out.would_change = "an intent the rule does not match";
  } else {
    out.member = row->member;
    out.evidence = row->evidence;
    out.would_change = row->would_change;
  }
  out.line = lines.of(out.member);
  return out;
}

class Explainer {
 public:
  Explainer(const Policy& policy, UtcTime now, Explanation& out) : policy_(policy), now_(now), out_(out) {}

  // The rules on one intent, or one step.
  void add_rules(const JudgedIntent& judged, std::int64_t step) {
    const std::vector<const Rule*> rules = rules_for(policy_, judged.intent);
    std::vector<RuleOutcome> outcomes;
    Verdict strictest = Verdict::Allow;
    for (const Rule* rule : rules) {
      outcomes.push_back(outcome_of(*rule, judged, now_));
      strictest = std::max(strictest, outcomes.back().effect);
    }
    for (std::size_t i = 0; i < rules.size(); ++i) {
      const Rule& rule = *rules[i];
      const bool decides = outcomes[i].effect == strictest;
      out_.rules.push_back(
          {rule.name, rule.priority, rule.effect, outcomes[i].effect, rule.lines.of("effect"), decides});
      if (!decides) continue;
      deciding_.push_back(&rule);
      for (const std::string& code : outcomes[i].reasons) add(reason_of(code, &rule, rule.lines), step);
    }
  }

  // What no rule said: the policy as a whole, or what was decided after the rules.
  void add_rest(const Texts& codes) {
    for (const std::string& code : codes) {
      const bool known = std::any_of(out_.reasons.begin(), out_.reasons.end(),
                                     [&code](const ExplainedReason& reason) { return reason.code == code; });
      if (!known) add(reason_after_rules(code), -1);
    }
  }

 private:
  // What the rules that decided demand, or else the policy: a limit, approvals, a credential.
  ExplainedReason reason_after_rules(const std::string& code) const {
    const ReasonCode* row = reason_code(code);
    if (row == nullptr || !row->after_rules || deciding_.empty()) return reason_of(code, nullptr, policy_.lines());
    const auto says = [row](const Rule* rule) {
      return std::ranges::any_of(rule->lines.members, [row](const auto& each) { return each.first == row->member; });
    };
    const auto rule = std::ranges::find_if(deciding_, says);
    const Rule& demands = rule == deciding_.end() ? *deciding_.front() : **rule;
    ExplainedReason out = reason_of(code, &demands, demands.lines);
    if (rule == deciding_.end()) out.line = demands.lines.of("effect");
    return out;
  }
  void add(ExplainedReason reason, std::int64_t step) {
    reason.step = step;
    out_.reasons.push_back(std::move(reason));
  }

  const Policy& policy_;
  UtcTime now_;
  Explanation& out_;
  std::vector<const Rule*> deciding_;
};

}  // namespace

Explanation explained(const Policy& policy, const JudgedIntent& judged, const Evidence& evidence,
                      const Decision& decision, UtcTime now) {
  Explanation out;
  out.default_line = policy.lines().of("default_verdict");
  Explainer explainer(policy, now, out);
  const bool rules_were_read = !decision.matched_rule.empty();
  if (rules_were_read && !judged.intent.is_script()) explainer.add_rules(judged, -1);
  for (const StepVerdict& verdict : decision.step_verdicts) {
    JudgedIntent step{judged.intent.step(static_cast<std::size_t>(verdict.index)), judged.context};
    if (evidence.inventory) step = with_inventory(std::move(step), *evidence.inventory);
    explainer.add_rules(step, verdict.index);
  }
  explainer.add_rest(decision.reason_codes);
  return out;
}

Json Explanation::json() const {
  Json::Array rule_rows;
  for (const ExplainedRule& rule : rules) {
    Json row = Json::object({{"name", rule.name},
                             {"priority", Json(rule.priority)},
                             {"effect", Json(statement::name_of(rule.effect))},
                             {"verdict", Json(statement::name_of(rule.verdict))},
                             {"decides", rule.decides}});
    put(row, "line", std::int64_t{rule.line});
    rule_rows.push_back(std::move(row));
  }
  Json::Array reason_rows;
  for (const ExplainedReason& reason : reasons) {
    Json row = Json::object({{"code", reason.code}});
    put(row, "rule", reason.rule);
    put(row, "member", reason.member);
    put(row, "line", std::int64_t{reason.line});
    put(row, "evidence", reason.evidence);
    put(row, "would_change", reason.would_change);
    if (reason.step >= 0) row.set("step", Json(reason.step));
    reason_rows.push_back(std::move(row));
  }
  Json out = Json::object({{"rules", Json(std::move(rule_rows))}, {"reasons", Json(std::move(reason_rows))}});
  put(out, "default_line", std::int64_t{default_line});
  return out;
}

}  // namespace countersign::gate
