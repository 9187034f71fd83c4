#include "gate/context/inventory.h"

#include <gtest/gtest.h>

#include "gate/decision/evaluate.h"

namespace countersign::gate {
namespace {

constexpr std::string_view kIntent =
    R"({"tool_name":"db.save","args":{},"targets":[],"context":{"identity":"a","workspace":"/w","risk_class":"low"}})";
constexpr std::string_view kClaiming =
    R"({"tool_name":"db.save","args":{},"targets":[],"context":{"identity":"a","workspace":"/w","risk_class":"low",
        "auth_context":{"wrkr.data_class":"pii"}}})";
constexpr std::string_view kScript =
    R"({"tool_name":"script","args":{},"script":{"steps":[{"tool_name":"db.save","args":{}},{"tool_name":"db.drop","args":{}}]},
        "context":{"identity":"a","workspace":"/w","risk_class":"low"}})";

std::string policy_of(const char* effect) {
  return std::string("default_verdict: dry_run\nrules:\n- {name: r, effect: ") + effect +
         ", match: {context_data_classes: [PII]}}\n";
}

ToolInventory inventory() {
  return *ToolInventory::parse(R"({"items":[{"Tool_Name":" DB.SAVE ","data_class":"PII","unknown":1}]})", "tools.json");
}

Decision decided(std::string_view intent, const char* effect, bool with_tools,
                 ContextTrust trust = ContextTrust::Envelope) {
  const Policy policy = *Policy::parse(policy_of(effect));
  JudgedIntent judged = *with_context(*Intent::parse(intent), std::nullopt, trust, AgeInDigest::Left, UtcTime());
  Evidence evidence;
  if (with_tools) {
    evidence.inventory = inventory();
    judged = with_inventory(std::move(judged), *evidence.inventory);
  }
  return *evaluate(policy, judged, evidence, UtcTime());
}

TEST(ToolInventory, TellsRulesAboutTheTool) {
  EXPECT_EQ(decided(kIntent, "allow", true).verdict, Verdict::Allow);
  EXPECT_EQ(decided(kIntent, "allow", true).context_source, "tools.json");
  EXPECT_EQ(decided(kIntent, "allow", false).verdict, Verdict::DryRun);
}

TEST(ToolInventory, IsPartOfTheIntentDigest) {
  const JudgedIntent bare{*Intent::parse(kIntent), {}};
  const JudgedIntent told = with_inventory(bare, inventory());
  EXPECT_NE(bare.intent.intent_digest(), told.intent.intent_digest());
  const JudgedIntent script{*Intent::parse(kScript), {}};
  EXPECT_EQ(script.intent.intent_digest(), with_inventory(script, inventory()).intent.intent_digest());
}

TEST(ToolInventory, TellsTheStepsOfAScript) {
  const Decision decision = decided(kScript, "block", true);
  ASSERT_EQ(decision.step_verdicts.size(), 2U);
  EXPECT_EQ(decision.step_verdicts[0].verdict, Verdict::Block);
  EXPECT_EQ(decision.step_verdicts[1].verdict, Verdict::DryRun);
  EXPECT_EQ(decision.context_source, "tools.json");
}

TEST(ToolInventory, IsNotReplacedByTheCallersClaimWhereARulePermits) {
  EXPECT_EQ(decided(kClaiming, "allow", false).verdict, Verdict::DryRun);
  EXPECT_EQ(decided(kClaiming, "block", false).verdict, Verdict::Block);  // a claim may restrict
  EXPECT_EQ(decided(kClaiming, "allow", true).verdict, Verdict::Allow);
  EXPECT_EQ(decided(kClaiming, "allow", false, ContextTrust::Claims).verdict, Verdict::Allow);
}

TEST(ToolInventory, ReadsAListOrItsItemsAndRefusesTheRest) {
  EXPECT_NE(ToolInventory::parse(R"([{"tool_name":"a"}])", "")->find("a"), nullptr);
  EXPECT_EQ(ToolInventory::parse(R"([{"tool_name":" "},null])", "")->find(""), nullptr);
  EXPECT_TRUE(ToolInventory::parse(R"({"items":null})", "").has_value());
  for (const char* text : {"", "{}", R"({"items":{}})", "[1]", R"([{"tool_name":1}])", "[] x", "7"}) {
    EXPECT_FALSE(ToolInventory::parse(text, "").has_value()) << text;
  }
}

TEST(ContextSources, AreSortedAndNamedOnce) {
  ContextEvidence context{"context_envelope", "", "", {}, std::nullopt, "a.json"};
  EXPECT_EQ(context.sources(), "a.json,context_envelope");
  context.inventory.clear();
  EXPECT_EQ(context.sources(), "context_envelope");
}

}  // namespace
}  // namespace countersign::gate
