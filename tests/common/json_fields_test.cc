#include "common/json_fields.h"

#include <gtest/gtest.h>

namespace countersign {
namespace {

Json sample() {
  return *Json::parse(R"({"name":"n","count":3,"on":true,"list":["a","b"]})");
}

TEST(JsonFields, GivesEachMemberInItsType) {
  const Json json = sample();
  JsonFields fields(json, "x");
  EXPECT_EQ(*fields.text("name"), "n");
  EXPECT_EQ(*fields.integer("count", 0, 3), 3);
  EXPECT_TRUE(*fields.boolean("on"));
  EXPECT_EQ(*fields.texts("list"), (std::vector<std::string>{"a", "b"}));
  EXPECT_TRUE(fields.finish());
}

TEST(JsonFields, RefusesWhatNobodyAskedFor) {
  const Json json = sample();
  JsonFields fields(json, "x");
  ASSERT_TRUE(fields.text("name"));
  const Status status = fields.finish();
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().detail, "x.count is not a member that is known here");
}

TEST(JsonFields, RefusesMissingMistypedAndOutOfRangeMembersByPath) {
  const Json json = sample();
  JsonFields fields(json, "x");
  EXPECT_EQ(fields.text("nothing").error().detail, "x.nothing is missing");
  EXPECT_FALSE(fields.text("count"));
  EXPECT_FALSE(fields.integer("count", 0, 2));
  EXPECT_FALSE(fields.integer("name", 0, 2));
  EXPECT_FALSE(fields.boolean("name"));
  EXPECT_FALSE(fields.texts("name"));
  EXPECT_FALSE(JsonFields(Json("text"), "x").finish());
}

}  // namespace
}  // namespace countersign
