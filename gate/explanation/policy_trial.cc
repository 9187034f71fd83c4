#include "gate/explanation/policy_trial.h"

#include "common/joined.h"

namespace countersign::gate {
namespace {

constexpr std::size_t kLongestSummary = 240;

std::string list_or_none(const Texts& texts) {
  return texts.empty() ? "none" : joined(texts, ",");
}

}  // namespace

bool PolicyTrial::same_as(const PolicyTrial& other) const {
  return decision.verdict == other.decision.verdict && decision.reason_codes == other.decision.reason_codes &&
         decision.violations == other.decision.violations && decision.matched_rule == other.decision.matched_rule;
}

Result<PolicyTrial> tried(const Policy& policy, const Intent& intent, UtcTime now) {
  ASSIGN_OR_RETURN(Decision decision, evaluate(policy, JudgedIntent{intent, {}}, {}, now));
  return PolicyTrial{intent.intent_digest(), std::move(decision)};
}

std::string trial_summary(const Decision& decision) {
  std::string text = "policy test verdict=" + std::string(statement::name_of(decision.verdict)) +
                     " reasons=" + list_or_none(decision.reason_codes) +
                     " violations=" + list_or_none(decision.violations);
  if (text.size() <= kLongestSummary) return text;
  const std::string suffix = "...(+" + std::to_string(text.size() - kLongestSummary) + ")";
  text.resize(kLongestSummary - suffix.size());
  return text + suffix;
}

}  // namespace countersign::gate
