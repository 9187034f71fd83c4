#include "gate/state/kill_switch.h"

#include <gtest/gtest.h>

namespace countersign::gate {
namespace {

const UtcTime kNow = *UtcTime::parse("2026-11-22T04:23:04.536030414Z");

Intent intent() {
  return *Intent::parse(
      std::string_view(R"({"tool_name":"db.save","context":{"identity":"zoe","workspace":"/w","risk_class":"low"}})"));
}

TEST(KillSwitch, StopsWhatItsNewEntryNamesUntilItIsSwitchedOff) {
  KillSwitch state = KillSwitch::begin(kNow);
  KillSwitchEntry entry;
  entry.tool_name = " DB.save ";
  entry.reason = "drill";
  const Result<KillSwitchEntry> added = state.add(entry, kNow);
  ASSERT_TRUE(added);
  EXPECT_EQ(added->entry_id.size(), 24U);
  ASSERT_TRUE(state.finding(intent(), kNow));
  // What is written is what is read.
  const Result<KillSwitch> read = KillSwitch::parse(state.document().gait_file());
  ASSERT_TRUE(read);
  EXPECT_TRUE(read->finding(intent(), kNow));
  EXPECT_EQ(read->document(), state.document());
  ASSERT_TRUE(state.disable(added->entry_id, kNow));
  EXPECT_FALSE(state.finding(intent(), kNow));
  EXPECT_EQ(state.entries().size(), 1U);
}

TEST(KillSwitch, LetsAnEntryEnd) {
  KillSwitch state = KillSwitch::begin(kNow);
  KillSwitchEntry entry;
  entry.identity = "zoe";
  entry.expires_at = kNow + std::chrono::hours(1);
  const std::string id = state.add(entry, kNow)->entry_id;
  EXPECT_TRUE(state.finding(intent(), kNow + std::chrono::minutes(59)));
  EXPECT_FALSE(state.finding(intent(), kNow + std::chrono::hours(1)));
  const UtcTime soon = kNow + std::chrono::minutes(1);
  EXPECT_EQ(state.expire(id, soon)->expires_at, soon);
  EXPECT_FALSE(state.finding(intent(), soon));
  // Nothing that has ended comes back to life.
  EXPECT_EQ(state.expire(id, soon + std::chrono::minutes(1))->expires_at, soon);
}

TEST(KillSwitch, RefusesEntriesThatStopNothingOrAreUnknown) {
  KillSwitch state = KillSwitch::begin(kNow);
  KillSwitchEntry nobody;
  nobody.reason = "everybody?";
  EXPECT_FALSE(state.add(nobody, kNow));
  KillSwitchEntry late;
  late.identity = "zoe";
  late.expires_at = kNow;
  EXPECT_FALSE(state.add(late, kNow));
  EXPECT_FALSE(state.disable("unknown", kNow));
  EXPECT_FALSE(state.expire("", kNow));
  EXPECT_TRUE(state.entries().empty());
}

TEST(KillSwitch, HasTheLayoutOfGait) {
  KillSwitch state = KillSwitch::begin(kNow);
  KillSwitchEntry entry;
  entry.tool_name = "db.save.cjds";
  entry.reason = "drill";
  const std::string id = state.add(entry, kNow)->entry_id;
  EXPECT_EQ(state.document().gait_file(),
            "{\n  \"schema_id\": \"gait.gate.kill_switch_state\",\n  \"schema_version\": \"1.0.0\",\n"
            "  \"created_at\": \"2026-11-22T04:23:04.536030414Z\",\n"
            "  \"updated_at\": \"2026-11-22T04:23:04.536030414Z\",\n"
            "  \"producer_version\": \"" COUNTERSIGN_VERSION
            "\",\n  \"entries\": [\n    {\n"
            "      \"entry_id\": \"" +
                id +
                "\",\n      \"enabled\": true,\n"
                "      \"tool_name\": \"db.save.cjds\",\n      \"reason\": \"drill\",\n"
                "      \"created_at\": \"2026-11-22T04:23:04.536030414Z\",\n"
                "      \"expires_at\": \"0001-01-01T00:00:00Z\"\n    }\n  ]\n}\n");
}

constexpr const char* kState = R"({"schema_id":"gait.gate.kill_switch_state","schema_version":"1.0.0","entries":[
  {"entry_id":"e1","enabled":true,"tool_name":"db.drop","path_prefixes":["/srv"],"created_at":"2026-01-01T00:00:00Z"}]})";

TEST(KillSwitch, StopsOnlyWhatAllItsSelectorsMatch) {
  const Result<KillSwitch> state = KillSwitch::parse(kState);
  ASSERT_TRUE(state) << state.error().detail;
  const UtcTime now = *UtcTime::parse("2026-06-15T12:00:00Z");
  const auto stopped = [&](const char* tool, const char* path) {
    const std::string text = std::string(R"({"tool_name":")") + tool + R"(","targets":[{"kind":"path","value":")" +
                             path + R"("}],"context":{"identity":"a","workspace":"/w","risk_class":"low"}})";
    return state->finding(*Intent::parse(text), now).has_value();
  };
  EXPECT_TRUE(stopped("db.drop", "/srv/data"));
  EXPECT_TRUE(stopped("db.drop", "/tmp/../srv/data"));
  EXPECT_FALSE(stopped("db.drop", "/srvx"));
  EXPECT_FALSE(stopped("db.read", "/srv/data"));
  const std::string in_a_step =
      R"({"script":{"steps":[{"tool_name":"db.drop","targets":[{"kind":"path","value":"/srv"}]}]},
          "context":{"identity":"a","workspace":"/w","risk_class":"low"}})";
  EXPECT_TRUE(state->finding(*Intent::parse(in_a_step), now)) << "a script hides no step";
  EXPECT_FALSE(KillSwitch::parse("{}"));
  EXPECT_FALSE(KillSwitch::parse(""));
}

}  // namespace
}  // namespace countersign::gate
