#include "gate/state/rate_limit.h"

#include <gtest/gtest.h>

namespace countersign::gate {
namespace {

const UtcTime kNow = *UtcTime::parse("2026-11-22T04:59:59.9Z");

RateRule rule(std::int64_t requests, std::string window, std::string scope) {
  return RateRule{requests, std::move(window), std::move(scope)};
}

TEST(RateLimit, IsSpentToTheLastAndNoFurther) {
  RateState state;
  const RateRule two = rule(2, "hour", "tool");
  const RateUse first = state.spend(two, "db.save", "zoe", kNow);
  EXPECT_FALSE(first.exceeded);
  EXPECT_EQ(first.used, 1);
  EXPECT_EQ(first.remaining, 1);
  EXPECT_EQ(state.spend(two, "db.save", "ann", kNow).used, 2);
  const RateUse third = state.spend(two, "db.save", "zoe", kNow);
  EXPECT_TRUE(third.exceeded);
  EXPECT_EQ(third.used, 2);
  EXPECT_EQ(third.remaining, 0);
  // The next bucket is a fresh one.
  EXPECT_FALSE(state.spend(two, "db.save", "zoe", kNow + std::chrono::milliseconds(100)).exceeded);
}

TEST(RateLimit, CountsByItsScope) {
  const struct {
    const char* scope;
    const char* key;
  } rows[] = {{"tool", "t"}, {"identity", "z"}, {"tool_identity", "t|z"}};
  for (const auto& row : rows) {
    RateState state;
    const RateUse use = state.spend(rule(1, "minute", row.scope), "t", "z", kNow);
    EXPECT_EQ(use.key, row.key);
    EXPECT_EQ(use.scope, row.scope);
    const Json document = state.document(kNow);
    EXPECT_EQ(document.find("counters")->as_array().at(0).text("key"),
              "minute|" + std::string(row.scope) + "|2026-11-22T04:59:00Z|" + row.key);
  }
}

TEST(RateLimit, LeavesTheDestructiveBudgetOfTheSameToolAlone) {
  RateState state;
  const RateRule one = rule(1, "hour", "tool_identity");
  EXPECT_FALSE(state.spend(one, "fs.delete", "zoe", kNow).exceeded);
  const RateUse budget = state.spend_budget(one, "fs.delete", "zoe", kNow);
  EXPECT_FALSE(budget.exceeded);
  EXPECT_EQ(budget.key, "destructive_budget|fs.delete|zoe");
  EXPECT_TRUE(state.spend_budget(one, "fs.delete", "zoe", kNow).exceeded);
}

TEST(RateState, IsWrittenAndReadBackAsGaitDoes) {
  RateState state;
  (void)state.spend(rule(5, "hour", "tool"), "db.save.cjds", "z", kNow);
  EXPECT_EQ(
      state.document(kNow).gait_file(),
      "{\n  \"schema_id\": \"gait.gate.rate_limit_state\",\n  \"schema_version\": \"1.0.0\",\n  \"counters\": [\n"
      "    {\n      \"key\": \"hour|tool|2026-11-22T04:00:00Z|db.save.cjds\",\n      \"count\": 1\n    }\n  ]\n}\n");
  Result<RateState> again = RateState::parse(state.document(kNow).gait_file());
  ASSERT_TRUE(again);
  EXPECT_EQ(again->spend(rule(5, "hour", "tool"), "db.save.cjds", "z", kNow).used, 2);
}

TEST(RateState, ForgetsWhatBeganOverADayAgo) {
  RateState state;
  (void)state.spend(rule(5, "hour", "tool"), "a", "z", kNow);
  EXPECT_EQ(state.document(kNow + std::chrono::hours(23)).find("counters")->as_array().size(), 1U);
  EXPECT_EQ(state.document(kNow + std::chrono::hours(26)).find("counters")->as_array().size(), 0U);
}

TEST(RateState, ThatMayHideWhatWasSpentIsRefused) {
  const std::string head = R"({"schema_id":"gait.gate.rate_limit_state","schema_version":"1.0.0","counters":)";
  EXPECT_TRUE(RateState::parse(head + "[]}"));
  EXPECT_TRUE(RateState::parse(head + "null}"));
  const std::string refused[] = {
      "",
      " \n",
      "null",
      "[]",
      "{}",
      R"({"schema_id":"gait.gate.rate_limit_state","counters":[]})",
      R"({"schema_id":"gait.gate.trace","schema_version":"1.0.0","counters":[]})",
      head + "{}}",
      head + "[1]}",
      head + R"([{"count":1}]})",
      head + R"([{"key":"","count":1}]})",
      head + R"([{"key":"a","count":-1}]})",
      head + R"([{"key":"a","count":1.5}]})",
      head + R"([{"key":"a","count":"1"}]})",
      head + R"([{"key":"a","count":9007199254740993}]})",
      head + R"([{"key":"a","count":1},{"key":"a","count":0}]})",
      head + "[]} x",
      head + R"([],"counters":[]})",
  };
  for (const std::string& text : refused) {
    const Result<RateState> state = RateState::parse(text);
    ASSERT_FALSE(state) << text;
    EXPECT_EQ(state.error().code, ErrorCode::Invalid) << text;
  }
}

}  // namespace
}  // namespace countersign::gate
