// The product's side of the comparison with the model (model/*_test.py): each line of stdin is a question, each line of
// stdout what the gate says to it. `asks` says what about:
//   (none)     {"policy": TEXT, "intents": [TEXT…], "now"}
//   approvals  {"policy", "intent", "tokens": [TEXT…], "key": TEXT of a public key, "now"}
//   limits     {"state"?: TEXT, "spends": [{"requests", "window", "scope", "budget", "tool", "identity", "now"}…],
//   "now"} stops      {"state": TEXT, "intents": [TEXT…], "now"}
// TEXT is a document as a file would hold it, `now` RFC 3339.
#include <iostream>
#include <string>

#include "gate/decision/evaluate.h"
#include "gate/evidence/approval.h"
#include "gate/state/kill_switch.h"
#include "gate/state/rate_limit.h"

namespace countersign::gate {
namespace {

Json refused(const Error& error) {
  return Json::object({{"refused", error.detail}});
}

UtcTime now_of(const Json& question) {
  return *UtcTime::parse(question.text("now"));
}

Result<JudgedIntent> read_intent(const std::string& text, UtcTime now) {
  ASSIGN_OR_RETURN(const Intent intent, Intent::parse(text));
  return with_context(intent, std::nullopt, ContextTrust::Envelope, AgeInDigest::Left, now);
}

Json json_of(const std::optional<RateRule>& rule) {
  if (!rule) return {};
  return Json::object({{"requests", rule->requests}, {"window", rule->window}, {"scope", rule->scope}});
}

Json judged(const Policy& policy, const std::string& text, UtcTime now) {
  const Result<JudgedIntent> with = read_intent(text, now);
  if (!with) return refused(with.error());
  const Result<Decision> decision = evaluate(policy, *with, {}, now);
  if (!decision) return Json::object({{"failed", decision.error().detail}});
  return Json::object({{"intent_digest", with->intent.intent_digest().hex()},
                       {"verdict", Json(statement::name_of(decision->verdict))},
                       {"reasons", Json::array(decision->reason_codes)},
                       {"violations", Json::array(decision->violations)},
                       {"rule", decision->matched_rule},
                       {"approvals", Json(decision->required_approvals)},
                       {"distinct", Json(decision->distinct_approvers)},
                       {"broker", Json(decision->broker.required)},
                       {"rate_limit", json_of(decision->rate_limit)},
                       {"destructive_budget", json_of(decision->destructive_budget)}});
}

Result<Json> decisions(const Json& question) {
  ASSIGN_OR_RETURN(const Policy policy, Policy::parse(question.text("policy")));
  Json::Array results;
  for (const Json& intent : question.find("intents")->as_array()) {
    results.push_back(judged(policy, intent.as_string(), now_of(question)));
  }
  return Json::object({{"policy_digest", policy.policy_digest().hex()}, {"results", Json(std::move(results))}});
}

Result<keymgmt::KeySet> approval_key(std::string_view text) {
  ASSIGN_OR_RETURN(keymgmt::PublicKey key, keymgmt::PublicKey::from_gait(text));
  keymgmt::PublishedKey published{
      std::move(key), keymgmt::Role::Approval, keymgmt::KeyState::Active, "", "", {}, {}, std::nullopt, std::nullopt};
  return keymgmt::KeySet(1, UtcTime(), {std::move(published)});
}

Result<Json> approvals(const Json& question) {
  const UtcTime now = now_of(question);
  ASSIGN_OR_RETURN(const Policy policy, Policy::parse(question.text("policy")));
  ASSIGN_OR_RETURN(const JudgedIntent intent, read_intent(std::string(question.text("intent")), now));
  ASSIGN_OR_RETURN(const keymgmt::KeySet keys, approval_key(question.text("key")));
  std::vector<Json> tokens;
  for (const Json& text : question.find("tokens")->as_array()) {
    ASSIGN_OR_RETURN(Json token, Json::parse(text.as_string(), Json::Limits{.gait = true}));
    tokens.push_back(std::move(token));
  }
  ASSIGN_OR_RETURN(const Decision decision, evaluate(policy, intent, {}, now));
  if (decision.verdict != Verdict::RequireApproval) {
    return Json::object({{"verdict", statement::name_of(decision.verdict)}});
  }
  const ApprovalJudgement said =
      judge_approvals(tokens, intent, intent.intent.intent_digest(), policy.policy_digest(), decision, {keys}, now);
  Json::Array entries;
  for (const ApprovalEntry& entry : said.entries) {
    entries.push_back(Json::array(std::vector<std::string>{entry.token_id, entry.error_code}));
  }
  return Json::object({{"verdict", statement::name_of(after_approvals(decision, said).verdict)},
                       {"required", decision.required_approvals},
                       {"valid", said.valid},
                       {"approved", said.approved},
                       {"reasons", Json::array(said.reason_codes)},
                       {"ref", said.approval_ref},
                       {"entries", std::move(entries)}});
}

Result<Json> limits(const Json& question) {
  RateState state;
  if (const Json* text = question.find("state")) {
    ASSIGN_OR_RETURN(state, RateState::parse(text->as_string()));
  }
  Json::Array uses;
  for (const Json& spend : question.find("spends")->as_array()) {
    RateRule rule;
    rule.requests = spend.find("requests")->as_integer();
    rule.window = spend.text("window");
    rule.scope = spend.text("scope");
    const bool budget = spend.find("budget")->as_bool();
    const RateUse use = budget ? state.spend_budget(rule, spend.text("tool"), spend.text("identity"), now_of(spend))
                               : state.spend(rule, spend.text("tool"), spend.text("identity"), now_of(spend));
    uses.push_back(Json::object({{"scope", use.scope},
                                 {"key", use.key},
                                 {"used", use.used},
                                 {"remaining", use.remaining},
                                 {"exceeded", use.exceeded}}));
  }
  return Json::object({{"uses", std::move(uses)}, {"document", state.document(now_of(question))}});
}

Result<Json> stops(const Json& question) {
  ASSIGN_OR_RETURN(const KillSwitch state, KillSwitch::parse(question.text("state")));
  Json::Array results;
  for (const Json& text : question.find("intents")->as_array()) {
    const Result<JudgedIntent> intent = read_intent(text.as_string(), now_of(question));
    if (!intent) {
      results.push_back(refused(intent.error()));
      continue;
    }
    const std::optional<KillSwitchFinding> finding = state.finding(intent->intent, now_of(question));
    results.push_back(finding ? finding->json : Json::object({{"status", "inactive"}}));
  }
  return Json::object({{"results", std::move(results)}});
}

Json answer(const Json& question) {
  struct Row {
    std::string_view asks;
    Result<Json> (*answer)(const Json&);
  };
  constexpr Row kRows[] = {{"", decisions}, {"approvals", approvals}, {"limits", limits}, {"stops", stops}};
  for (const Row& row : kRows) {
    if (row.asks != question.text("asks")) continue;
    Result<Json> said = row.answer(question);
    return said ? *std::move(said) : refused(said.error());
  }
  return Json::object({{"failed", "there is no such question"}});
}

}  // namespace
}  // namespace countersign::gate

int main() {
  for (std::string line; std::getline(std::cin, line);) {
    const auto question = countersign::Json::parse(line, {.bytes = line.size() + 1});
    if (!question) {
      std::cerr << question.error().detail << '\n';
      return 1;
    }
    std::cout << countersign::gate::answer(*question).compact() << '\n';
  }
  return 0;
}
