#include "gate/evidence/approved_script.h"

#include <gtest/gtest.h>

#include "tests/gate/replay.h"

namespace countersign::gate {
namespace {

// What the real gait recorded: a policy that blocks a script, and a signed entry that approves it.
struct Recorded {
  Policy policy;
  Intent script;
  std::vector<ApprovedScript> registry;
  keymgmt::KeySet keys;
};

Recorded recorded(std::string_view name) {
  for (const GaitStep& step : gait_cases().steps) {
    if (step.name != name || !step.has("--approved-script-registry")) continue;
    return {*Policy::parse(*step.file_of("--policy")), *Intent::parse(*step.file_of("--intent")),
            *read_registry(*step.file_of("--approved-script-registry")), approval_keys(step)};
  }
  ADD_FAILURE() << "no such case";
  std::abort();
}

UtcTime now() {
  return *UtcTime::parse("2026-11-22T04:30:00Z");
}

Json changed(const ApprovedScript& entry, std::string_view member, Json value) {
  Json document = entry.document();
  document.set(member, std::move(value));
  return document;
}

TEST(ApprovedScript, OfGaitVerifiesAndFits) {
  const Recorded given = recorded("178_approved_script_match");
  ASSERT_EQ(given.registry.size(), 1U);
  EXPECT_TRUE(given.registry[0].verify(given.keys, now()).has_value());
  const RegistryFinding finding = registry_finding(given.registry, given.script, given.policy.policy_digest(), now());
  EXPECT_EQ(finding.reason, "approved_script_match");
  EXPECT_EQ(finding.entry, &given.registry[0]);
}

TEST(ApprovedScript, InAnotherOrderNeverFitsAsInGait) {
  const Recorded given = recorded("179_approved_script_unsorted_never_matches");
  EXPECT_TRUE(given.registry[0].verify(given.keys, now()).has_value());
  const RegistryFinding finding = registry_finding(given.registry, given.script, given.policy.policy_digest(), now());
  EXPECT_EQ(finding.reason, "approved_script_not_found");
}

TEST(ApprovedScript, IsRefusedForgedExpiredOrForeign) {
  const Recorded given = recorded("178_approved_script_match");
  const ApprovedScript& entry = given.registry[0];
  EXPECT_FALSE(entry.verify(given.keys, entry.expires_at()).has_value());
  EXPECT_FALSE(entry.verify(keymgmt::KeySet(), now()).has_value());
  struct Case {
    const char* member;
    Json value;
  };
  for (const Case& each : {Case{"script_hash", std::string(64, 'a')}, Case{"pattern_id", "other"},
                           Case{"expires_at", "2099-01-01T00:00:00Z"}, Case{"scope", Json::array({"risk:low"})},
                           Case{"signature", nullptr}}) {
    const Result<ApprovedScript> forged = ApprovedScript::parse(changed(entry, each.member, each.value));
    ASSERT_TRUE(forged.has_value()) << each.member;
    EXPECT_FALSE(forged->verify(given.keys, now()).has_value()) << each.member;
  }
}

TEST(ApprovedScript, IsForOneScriptUnderOnePolicyAndItsScope) {
  const Recorded given = recorded("178_approved_script_match");
  const ApprovedScript& entry = given.registry[0];
  const Digest policy = given.policy.policy_digest();
  EXPECT_TRUE(entry.fits(given.script, policy, now()));
  EXPECT_FALSE(entry.fits(given.script, Policy::parse("default_verdict: block")->policy_digest(), now()));
  EXPECT_FALSE(entry.fits(given.script.step(0), policy, now()));
  EXPECT_FALSE(entry.fits(given.script, policy, entry.expires_at()));
  const std::pair<const char*, bool> scopes[] = {{"risk:low", true},
                                                 {"risk:high", false},
                                                 {"tool:script", true},
                                                 {"tool:other", false},
                                                 {"endpoint:fs.read", true},
                                                 {"endpoint:fs.write", false},
                                                 {"workspace_prefix:/home", true},
                                                 {"workspace_prefix:/hom", false},
                                                 {"planet:earth", false}};
  for (const auto& [word, holds] : scopes) {
    const ApprovedScript scoped = *ApprovedScript::parse(changed(entry, "scope", Json::array({word})));
    EXPECT_EQ(scoped.fits(given.script, policy, now()), holds) << word;
  }
}

TEST(ApprovedScript, IsReadInGaitsWords) {
  const ApprovedScript entry = recorded("178_approved_script_match").registry[0];
  const std::tuple<const char*, Json, const char*> cases[] = {
      {"pattern_id", " ", "pattern_id is required"},
      {"policy_digest", "x", "policy_digest must be sha256 hex"},
      {"script_hash", "", "script_hash must be sha256 hex"},
      {"tool_sequence", Json::Array{}, "tool_sequence is required"},
      {"approver_identity", "", "approver_identity is required"},
      {"expires_at", "2001-01-01T00:00:00Z", "expires_at must be after created_at"},
      {"schema_version", "2.0.0", "unsupported approved script schema_version: 2.0.0"}};
  for (const auto& [member, value, detail] : cases) {
    const Result<ApprovedScript> read = ApprovedScript::parse(changed(entry, member, value));
    ASSERT_FALSE(read.has_value()) << member;
    EXPECT_EQ(read.error().detail, detail);
  }
}

TEST(ScriptRegistry, ReplacesAnEntryOfOnePatternAndIsReadBack) {
  const Recorded given = recorded("178_approved_script_match");
  const ApprovedScript fresh = *ApprovedScript::of(
      given.script, {"", given.policy.policy_digest(), "a@x", {"risk:low"}, std::chrono::hours(1)}, now());
  EXPECT_EQ(fresh.pattern_id(), "pattern_" + fresh.script_hash().substr(0, 12));
  const std::string once = registry_with(given.registry, fresh);
  EXPECT_EQ(read_registry(once)->size(), 2U);
  EXPECT_EQ(registry_with(*read_registry(once), fresh), once);
  EXPECT_TRUE(read_registry(" \n")->empty());
  for (const char* text : {"{}", R"({"entries":{}})", "[{}]", "7", "{", R"([{"pattern_id":1}])"}) {
    EXPECT_FALSE(read_registry(text).has_value()) << text;
  }
}

TEST(PreApproved, LiftsTheRulesAndNothingThatStopsEverybody) {
  const Recorded given = recorded("178_approved_script_match");
  const JudgedIntent judged{given.script, {}};
  const auto decided = [&](const Evidence& evidence) {
    return pre_approved(*evaluate(given.policy, judged, evidence, now()), given.script, given.registry[0], now());
  };
  const Decision allowed = decided({});
  EXPECT_EQ(allowed.verdict, Verdict::Allow);
  EXPECT_EQ(allowed.reason_codes, Texts{"approved_script_match"});
  EXPECT_EQ(allowed.composite_risk_class, "low");
  EXPECT_TRUE(allowed.matched_rule.empty());

  Evidence stopped;
  stopped.kill_switch = *KillSwitch::parse(
      R"({"schema_id":"gait.gate.kill_switch_state","schema_version":"1.0.0","entries":[{"entry_id":"e","enabled":true,"tool_name":"script","created_at":"2026-01-01T00:00:00Z"}]})");
  EXPECT_EQ(decided(stopped).verdict, Verdict::Block);
  Evidence unknown;
  unknown.kill_switch_unavailable = true;
  EXPECT_EQ(decided(unknown).verdict, Verdict::Block);
}

TEST(PreApproved, KeepsLimitsAndCredentialsTheRulesDemand) {
  const Policy policy = *Policy::parse(R"(
rules:
- {name: r, effect: allow, require_broker_credential: true, broker_scopes: [w], rate_limit: {requests: 2}}
)");
  const Recorded given = recorded("178_approved_script_match");
  const Decision decision = pre_approved(*evaluate(policy, JudgedIntent{given.script, {}}, {}, now()), given.script,
                                         given.registry[0], now());
  EXPECT_TRUE(decision.broker.required);
  ASSERT_TRUE(decision.rate_limit.has_value());
  EXPECT_EQ(decision.rate_limit->requests, 2);
}

}  // namespace
}  // namespace countersign::gate
