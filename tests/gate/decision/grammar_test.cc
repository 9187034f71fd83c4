// What a policy may say, beside the recorded cases: values gait accepts only where they are used, and its words.
#include <gtest/gtest.h>

#include "gate/decision/evaluate.h"

namespace countersign::gate {
namespace {

std::string rule(const std::string& members) {
  return "rules:\n- {name: r, effect: allow, " + members + "}\n";
}

struct Case {
  const char* name;
  std::string yaml;
  std::string detail;  // empty: accepted
};

TEST(PolicyGrammar, SaysWhatGaitSays) {
  const Case cases[] = {
      {"a constraint only restricts", rule("endpoint: {path_allowlist: [/a], action: allow}"),
       "unsupported endpoint.action \"allow\" for r"},
      {"an unused constraint is not looked at", rule("endpoint: {action: nonsense}"), ""},
      {"the same of its stronger action", rule("endpoint: {destructive_action: dry_run}"),
       "unsupported endpoint.destructive_action \"dry_run\" for r"},
      {"the same of dataflow", rule("dataflow: {enabled: true, action: allow}"),
       "unsupported dataflow.action \"allow\" for r"},
      {"an unused dataflow", rule("dataflow: {action: nonsense}"), ""},
      {"a limit of nothing", rule("rate_limit: {window: day, scope: planet}"), ""},
      {"a budget of nothing", rule("destructive_budget: {window: day}"),
       "destructive_budget.requests must be >= 1 for r"},
      {"an effect", "rules: [{name: r, effect: maybe}]", "invalid rule effect \"maybe\" for r"},
      {"both defaults", "default_verdict: allow\ndefault_action: block\n",
       "default_action must match default_verdict when both are set"},
      {"trust without a snapshot", "mcp_trust: {action: block}",
       "mcp_trust.snapshot is required when mcp_trust is configured"},
      {"trust that permits", "mcp_trust: {snapshot: s, action: allow}", "unsupported mcp_trust.action \"allow\""},
      {"trust of no age", "mcp_trust: {snapshot: s, max_age: 0s}", "mcp_trust.max_age must be > 0"},
      {"a negative score alone asks for nothing", "mcp_trust: {min_score: -1}", ""},
      {"a schema id is not trimmed", "schema_id: ' gait.gate.policy'",
       "unsupported policy schema_id:  gait.gate.policy"},
      {"a context mode", rule("required_context_evidence_mode: best_effort"),
       "required_context_evidence_mode must be required for r"},
  };
  for (const Case& each : cases) {
    const Result<Policy> policy = Policy::parse(each.yaml);
    EXPECT_EQ(policy ? "" : policy.error().detail, each.detail) << each.name;
  }
}

TEST(PolicyYaml, IsRefusedWithItsPlaceInGoccysWords) {
  const Case cases[] = {
      {"an unknown member, of the first document", "default_verdict: allow\nbogus: 1\n---\nmore: 2\n",
       "[2:1] unknown field \"bogus\""},
      {"a list that is a text", "rules:\n- name: r\n  effect: allow\n  match: {tool_names: x}\n",
       "[4:23] string was used where sequence is expected"},
      {"a list that is a number", rule("reason_codes: 5"), "[2:42] int was used where sequence is expected"},
      {"a flag that is a number", rule("require_agent_owner: 1"),
       "[2:49] cannot unmarshal uint64 into Go struct field Policy.Rules of type bool"},
      {"a number that is a flag", rule("priority: true"),
       "[2:38] cannot unmarshal bool into Go struct field Policy.Rules of type int"},
      {"a repeated member", rule("name: s"), "[2:28] mapping key \"name\" already defined at [2:4]"},
      {"an open list", "rules: [\n", "[1:8] sequence end token ']' not found"},
      {"a tab", "rules:\n- name: r\n\teffect: allow\n", "[3:1] found character '\t' that cannot start any token"},
      {"a byte order mark", "\xef\xbb\xbfrules: []\n", "[1:1] unknown field \"\xef\xbb\xbfrules\""},
      {"a merged member that is there already", "rules:\n- &base\n  name: a\n  effect: allow\n- <<: *base\n  name: b\n",
       "[6:3] duplicate key \"name\""},
  };
  for (const Case& each : cases) {
    const Result<Policy> policy = Policy::parse(each.yaml);
    ASSERT_FALSE(policy) << each.name;
    EXPECT_EQ(policy.error().detail, "parse policy yaml: " + each.detail) << each.name;
  }
}

TEST(PolicyYaml, IgnoresTagsApartFromThatOfTexts) {
  const auto priority_of = [](const char* text) {
    const Result<Policy> policy =
        Policy::parse("rules: [{name: r, effect: allow, priority: " + std::string(text) + "}]");
    return policy ? policy->rules().front().priority : -1;
  };
  EXPECT_EQ(priority_of("!mine 0x10"), 16);
  EXPECT_EQ(priority_of("!!int 7"), 7);
  EXPECT_TRUE(Policy::parse(rule("require_agent_owner: !mine true")));
  EXPECT_FALSE(Policy::parse(rule("require_agent_owner: !!str true")));
  EXPECT_EQ(Policy::parse("rules: [{name: !!str 1.50, effect: allow}]")->rules().front().name, "1.50");
  EXPECT_EQ(Policy::parse("rules: [{name: 1.50, effect: allow}]")->rules().front().name, "1.5");
}

TEST(PolicyYaml, MergesAnAnchorsMembersWhereNoneStandsTwice) {
  const Policy merged = *Policy::parse(
      "rules:\n- {name: a, effect: allow, match: &m {risk_classes: [low]}}\n"
      "- {name: b, effect: block, match: {<<: *m, tool_names: [x]}}\n");
  const Policy written = *Policy::parse(
      "rules:\n- {name: a, effect: allow, match: {risk_classes: [low]}}\n"
      "- {name: b, effect: block, match: {risk_classes: [low], tool_names: [x]}}\n");
  EXPECT_EQ(merged.policy_digest(), written.policy_digest());
}

JudgedIntent judged(std::string_view json) {
  return {*Intent::parse(json), {}};
}

constexpr std::string_view kScript =
    R"({"tool_name":"script","args":{},"script":{"steps":[{"tool_name":"a.x","args":{}},{"tool_name":"b.x","args":{}}]},
        "context":{"identity":"a","workspace":"/w","risk_class":"high"}})";

TEST(Scripts, AreNotTakenApartWhereTheGateFailsClosed) {
  const Policy policy =
      *Policy::parse("fail_closed: {enabled: true, required_fields: [targets]}\ndefault_verdict: allow\n");
  const Decision decision = *evaluate(policy, judged(kScript), {}, UtcTime());
  EXPECT_EQ(decision.verdict, Verdict::Block);
  EXPECT_EQ(decision.reason_codes, Texts{"fail_closed_missing_targets"});
  EXPECT_TRUE(decision.step_verdicts.empty());
  EXPECT_EQ(decision.step_count, 0);
}

TEST(Delegation, IsDemandedByTheRuleThatSaysSo) {
  const JudgedIntent delegated = judged(
      R"({"tool_name":"a.x","args":{},"context":{"identity":"a","workspace":"/w","risk_class":"low"},
          "delegation":{"requester_identity":"agent-7"}})");
  const auto decided = [&](const char* match) {
    const Policy policy = *Policy::parse("default_verdict: block\nrules:\n- {name: r, effect: allow, match: {" +
                                         std::string(match) + "}}\n");
    return *evaluate(policy, delegated, {}, UtcTime());
  };
  EXPECT_TRUE(decided("require_delegation: true").delegation_required);
  // The other conditions ask for a delegation in the intent, not for tokens (gait-formats §7.1).
  for (const char* match : {"allowed_delegate_identities: [agent-7]", "max_delegation_depth: 1"}) {
    EXPECT_EQ(decided(match).verdict, Verdict::Allow) << match;
    EXPECT_FALSE(decided(match).delegation_required) << match;
  }
}

TEST(Limits, OfSeveralRulesTheOneWithFewerRequestsCounts) {
  const Policy policy = *Policy::parse(R"(
default_verdict: block
rules:
- {name: a, effect: allow, match: {tool_name: a.x}, rate_limit: {requests: 5, window: hour}}
- {name: b, effect: allow, match: {tool_name: b.x}, rate_limit: {requests: 3, window: minute}}
)");
  const Decision decision = *evaluate(policy, judged(kScript), {}, UtcTime());
  ASSERT_TRUE(decision.rate_limit.has_value());
  EXPECT_EQ(decision.rate_limit->requests, 3);
}

}  // namespace
}  // namespace countersign::gate
