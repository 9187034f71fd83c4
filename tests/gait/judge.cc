// The product's side of the comparison with the model (model_test.py): each line of stdin is
// {"policy": TEXT, "intents": [TEXT…], "now": RFC3339}, each line of stdout what the gate says of them.
#include <iostream>
#include <string>

#include "gate/evaluate.h"

namespace countersign::gate {
namespace {

Json judged(const Policy& policy, const std::string& text, UtcTime now) {
  const Result<Intent> intent = Intent::parse(text);
  if (!intent) return Json::object({{"refused", intent.error().detail}});
  const Result<JudgedIntent> with = with_context(*intent, std::nullopt, ContextTrust::Envelope, AgeInDigest::Left, now);
  if (!with) return Json::object({{"refused", with.error().detail}});
  const Result<Decision> decision = evaluate(policy, *with, {}, now);
  if (!decision) return Json::object({{"failed", decision.error().detail}});
  return Json::object({{"intent_digest", with->intent.intent_digest().hex()},
                       {"verdict", Json(statement::name_of(decision->verdict))},
                       {"reasons", Json::array(decision->reason_codes)},
                       {"violations", Json::array(decision->violations)},
                       {"rule", decision->matched_rule},
                       {"approvals", Json(decision->required_approvals)},
                       {"distinct", Json(decision->distinct_approvers)},
                       {"broker", Json(decision->broker.required)}});
}

Json answer(const Json& request) {
  const Result<Policy> policy = Policy::parse(request.text("policy"));
  if (!policy) return Json::object({{"refused", policy.error().detail}});
  const UtcTime now = *UtcTime::parse(request.text("now"));
  Json::Array results;
  for (const Json& intent : request.find("intents")->as_array()) {
    results.push_back(judged(*policy, intent.as_string(), now));
  }
  return Json::object({{"policy_digest", policy->policy_digest().hex()}, {"results", Json(std::move(results))}});
}

}  // namespace
}  // namespace countersign::gate

int main() {
  for (std::string line; std::getline(std::cin, line);) {
    const auto request = countersign::Json::parse(line, {.bytes = line.size() + 1});
    if (!request) {
      std::cerr << request.error().detail << '\n';
      return 1;
    }
    std::cout << countersign::gate::answer(*request).compact() << '\n';
  }
  return 0;
}
