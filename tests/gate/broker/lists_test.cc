#include <gtest/gtest.h>

#include "gate/broker/action_class.h"
#include "gate/broker/agent_lists.h"
#include "gate/broker/pattern.h"
#include "gate/broker/security_policy.h"

namespace countersign::broker {
namespace {

struct Match {
  std::string_view pattern;
  std::string_view name;
  bool is;
};

TEST(Pattern, StandsForTheWholeName) {
  constexpr Match kRows[] = {
      {"fs:read", "fs:read", true},
      {"fs:read", "fs:reads", false},
      {"fs:*", "fs:delete", true},
      {"fs:*", "fs:", true},
      {"fs:*", "gs:delete", false},
      {"*:read", "web:read", true},
      {"*:read", ":readanything", false},
      {"fs:*read", "fs:my_read", true},
      {"fs:*read", "fs:readfoo", false},
      {"*", "anything:at_all", true},
      {"a*b*c", "aXXbYYc", true},
      {"a*b*c", "aXXbYY", false},
      {"", "", true},
      {"**", "x", true},
      {"*a", "aaaaaaab", false},
  };
  for (const Match& row : kRows) EXPECT_EQ(matches(row.pattern, row.name), row.is) << row.pattern << " " << row.name;
}

TEST(Pattern, ManyStarsCostLittle) {
  const std::string pattern(kLongestName / 2, '*');
  EXPECT_FALSE(matches(pattern + "b", std::string(100'000, 'a')));
}

TEST(Pattern, RefusesNamesThatMislead) {
  for (const char* good : {"fs:read", "@scope/pkg:do.it", "a"}) EXPECT_TRUE(check_tool_id(good).has_value()) << good;
  for (const char* bad : {"", "../../../x", "fs:re ad", "fs:read\n", "fs:\u202eread", "fs:r\u00e9ad", "fs:*"}) {
    EXPECT_FALSE(check_tool_id(bad).has_value()) << bad;
  }
  EXPECT_FALSE(check_tool_id(std::string(kLongestName + 1, 'a')).has_value());
  EXPECT_TRUE(check_pattern("fs:*").has_value());
  EXPECT_EQ(check_pattern("fs:[a-z]").error().reason, "bad_pattern");
}

// The probes of the known implementation, each with the result it should have had.
struct Probe {
  std::string_view name;
  AgentLists own;
  AgentLists everybodys;
  std::string_view tool;
  Standing standing;
};

TEST(AgentLists, AnswerEveryProbeAsTheyShould) {
  const Probe probes[] = {
      {"deny beats an allow pattern", {{"fs:*"}, {"fs:delete"}, {}}, {}, "fs:delete", Standing::Denied},
      {"a deny pattern beats an exact allow", {{"fs:delete_all"}, {"fs:*"}, {}}, {}, "fs:delete_all", Standing::Denied},
      {"a star in front", {{"*:read"}, {}, {}}, {}, "web:read", Standing::Listed},
      {"a star in front is no suffix", {{"*:read"}, {}, {}}, {}, ":readanything", Standing::Unlisted},
      {"a star inside is no prefix", {{"fs:*read"}, {}, {}}, {}, "fs:readfoo", Standing::Unlisted},
      {"a star inside", {{"fs:*read"}, {}, {}}, {}, "fs:my_read", Standing::Listed},
      {"servers bind calls too", {{"github:*"}, {}, {"web"}}, {}, "github:x", Standing::Denied},
      {"servers of its own", {{"web:*"}, {}, {"web"}}, {{}, {}, {"github"}}, "web:x", Standing::Listed},
      {"everybody's servers", {{"web:*"}, {}, {}}, {{}, {}, {"github"}}, "web:x", Standing::Denied},
      {"everybody's deny list", {{"fs:*"}, {}, {}}, {{}, {"fs:delete"}, {}}, "fs:delete", Standing::Denied},
      {"everybody's allow list", {}, {{"fs:read"}, {}, {}}, "fs:read", Standing::Listed},
      {"an agent nobody listed", {}, {}, "fs:read", Standing::Unlisted},
  };
  for (const Probe& probe : probes) {
    const Listing listing = listing_of("web", probe.own, probe.everybodys, probe.tool);
    EXPECT_EQ(listing.standing, probe.standing) << probe.name << ": " << listing.rule;
    EXPECT_FALSE(listing.rule.empty()) << probe.name;
  }
}

TEST(ActionClass, IsByTheNamesWordsAndNeverReadByDefault) {
  struct Row {
    std::string_view tool;
    ActionClass action;
  };
  constexpr Row kRows[] = {
      {"fs:read", ActionClass::Read},           {"bank:transfer", ActionClass::Write},
      {"db:drop_table", ActionClass::Write},    {"db:dropTable", ActionClass::Write},
      {"keyboard:press", ActionClass::Unknown}, {"sh:x", ActionClass::Exec},
      {"fs:readWrite", ActionClass::Write},     {"vault:getSecret", ActionClass::Credential},
      {"x:frobnicate", ActionClass::Unknown},   {"browser:screenshot", ActionClass::Read},
      {"fs:spreadsheet", ActionClass::Unknown},
  };
  for (const Row& row : kRows) EXPECT_EQ(name_of(action_class_of(row.tool)), name_of(row.action)) << row.tool;
  EXPECT_EQ(risk_of(ActionClass::Unknown), "high");
}

TEST(SecurityPolicy, ReadsWhatItActsOnAndNothingElse) {
  const auto read = [](std::string_view text) { return SecurityPolicy::read(*Json::parse(text)); };
  const auto policy = read(R"({"tool_approval_required":false,"auto_approve_patterns":["read:*",
      {"pattern":"a:b","expires_at":"2026-01-01T00:00:00Z","max_uses":3}]})");
  ASSERT_TRUE(policy) << policy.error().detail;
  EXPECT_FALSE(policy->tool_approval_required);
  ASSERT_EQ(policy->auto_approve.size(), 2U);
  EXPECT_EQ(policy->warnings().size(), 2U);  // nobody may approve; one pattern never ends
  const AutoApproval& ends = policy->auto_approve[1];
  const UtcTime before = *UtcTime::parse("2025-12-31T00:00:00Z");
  EXPECT_FALSE(is_over(ends, 2, before));
  EXPECT_TRUE(is_over(ends, 3, before));
  EXPECT_TRUE(is_over(ends, 0, *UtcTime::parse("2026-01-01T00:00:00Z")));
  EXPECT_TRUE(read("{}")->tool_approval_required);
  for (const char* bad : {R"({"tool_approval_required":"no"})", R"({"surprise":1})", R"({"auto_approve_patterns":"x"})",
                          R"({"auto_approve_patterns":["a b"]})", R"({"auto_approve_patterns":[{"max_uses":1}]})",
                          R"({"auto_approve_patterns":[{"pattern":"a","max_uses":0}]})",
                          R"({"auto_approve_patterns":[{"pattern":"a","expires_at":"soon"}]})", "[]"}) {
    EXPECT_FALSE(read(bad)) << bad;
  }
}

}  // namespace
}  // namespace countersign::broker
