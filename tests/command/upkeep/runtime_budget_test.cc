#include "command/upkeep/runtime_budget.h"

#include <gtest/gtest.h>

namespace countersign::command {
namespace {

constexpr std::string_view kBudgets = R"({"schema_id":"countersign.runtime_slo_budgets","schema_version":"1.0.0",
  "classes":{"demo":{"p50_ms":10,"p95_ms":20,"p99_ms":30,"error_rate":0}}})";

Json judged(const Measurements& measured) {
  const auto budgets = parse_budgets(kBudgets);
  EXPECT_TRUE(budgets) << budgets.error().detail;
  return judged_report(Json::object({{"classes", Json::Array{measured_json(measured)}}}), *budgets);
}

TEST(RuntimeBudget, TakesPercentilesByNearestRank) {
  Measurements measured{"demo", {}, 0};
  for (int i = 100; i >= 1; --i) measured.milliseconds.push_back(i);
  const Json row = measured_json(measured);
  EXPECT_EQ(row.find("p50_ms")->as_double(), 50);
  EXPECT_EQ(row.find("p95_ms")->as_double(), 95);
  EXPECT_EQ(row.find("p99_ms")->as_double(), 99);
  EXPECT_EQ(row.find("error_rate")->as_double(), 0);
}

TEST(RuntimeBudget, IsKeptByWhatIsWithinIt) {
  EXPECT_TRUE(judged({"demo", {5, 10}, 0}).find("ok")->as_bool());
}

struct Over {
  const char* name;
  Measurements measured;
  const char* member;
};

TEST(RuntimeBudget, IsBrokenByEachLimitAlone) {
  std::vector<double> tail(99, 1);
  tail.push_back(31);
  tail.push_back(31);
  const Over cases[] = {{"median", {"demo", {11, 11, 11}, 0}, "p50_ms"},
                        {"p95", {"demo", {1, 1, 1, 21}, 0}, "p95_ms"},
                        {"p99", {"demo", tail, 0}, "p99_ms"},
                        {"an error", {"demo", {1, 1, 1}, 1}, "error_rate"},
                        {"nothing measured", {"demo", {}, 0}, "samples"}};
  for (const Over& each : cases) {
    const Json report = judged(each.measured);
    EXPECT_FALSE(report.find("ok")->as_bool()) << each.name;
    const Json& row = report.find("classes")->as_array().front();
    EXPECT_FALSE(row.find("within")->as_bool()) << each.name;
    bool named = false;
    for (const Json& over : row.find("over")->as_array()) named = named || over.as_string() == each.member;
    EXPECT_TRUE(named) << each.name;
  }
}

TEST(RuntimeBudget, IsBrokenByAClassWithoutMeasurementAndByOneWithoutBudget) {
  EXPECT_FALSE(judged({"other", {1}, 0}).find("ok")->as_bool());
  const Json report = judged_report(Json::object({{"classes", Json(Json::Array{})}}), *parse_budgets(kBudgets));
  EXPECT_FALSE(report.find("ok")->as_bool());
}

TEST(RuntimeBudget, IsReadStrictly) {
  const char* cases[] = {
      "",
      "[]",
      R"({"schema_id":"x","schema_version":"1.0.0","classes":{}})",
      R"({"schema_id":"countersign.runtime_slo_budgets","schema_version":"1.0.0","classes":{}})",
      R"({"schema_id":"countersign.runtime_slo_budgets","schema_version":"1.0.0","classes":{"a":{"p50_ms":1}}})",
      R"({"schema_id":"countersign.runtime_slo_budgets","schema_version":"1.0.0","classes":{"a":{"p50_ms":-1,"p95_ms":1,"p99_ms":1,"error_rate":0}}})",
      R"({"schema_id":"countersign.runtime_slo_budgets","schema_version":"1.0.0","classes":{"a":{"p50_ms":1,"p95_ms":1,"p99_ms":1,"error_rate":0,"more":1}}})"};
  for (const char* text : cases) EXPECT_FALSE(parse_budgets(text)) << text;
}

}  // namespace
}  // namespace countersign::command
