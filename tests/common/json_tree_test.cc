#include "common/json_tree.h"

#include <gtest/gtest.h>

namespace countersign {
namespace {

struct Text {
  const char* name;
  std::string text;
};

std::string many_members(int count, std::string_view last) {
  std::string text = "{";
  for (int i = 0; i < count; ++i) text += "\"m" + std::to_string(i) + "\":" + std::to_string(i) + ",";
  return text + "\"" + std::string(last) + "\":0}";
}

std::string nested(int depth) {
  return std::string(static_cast<std::size_t>(depth), '[') + std::string(static_cast<std::size_t>(depth), ']');
}

class ReadTwice : public testing::TestWithParam<Text> {};

TEST_P(ReadTwice, GivesWhatJsonGives) {
  const std::string& text = GetParam().text;
  const auto json = Json::parse(text);
  const auto tree = JsonTree::parse(text);
  ASSERT_EQ(tree.has_value(), json.has_value());
  if (!json) {
    EXPECT_EQ(tree.error().detail, json.error().detail);
    EXPECT_EQ(tree.error().code, json.error().code);
    EXPECT_EQ(tree.error().reason, json.error().reason);
    return;
  }
  EXPECT_EQ(tree->root().json(), *json);
  EXPECT_EQ(tree->root().compact(), json->compact());
  EXPECT_EQ(tree->root().canonical(), json->canonical());
  EXPECT_EQ(JsonTree(*json).root().compact(), json->compact());
}

INSTANTIATE_TEST_SUITE_P(
    JsonTree, ReadTwice,
    testing::Values(
        Text{"scalars", R"([null,true,false,0,-1,9223372036854775807,"",""])"},
        Text{"beyond_int64", R"([18446744073709551615,9223372036854775808,-9223372036854775809,9007199254740993])"},
        Text{"doubles", R"([1.0,0.1,1e300,5e-324,-0.0,1E21,123456789012345678901234567890])"},
        Text{"out_of_range", "[1e400]"}, Text{"objects", R"({"b":{"z":[],"a":{}},"a":[{"x":1},{"x":1}]})"},
        Text{"escapes", R"({"a\n\"\\\u0041":"\u00e9\ud83d\ude00 text \t","plain":"é"})"},
        Text{"long_escaped", "[\"" + std::string(9000, 'x') + "\\n" + std::string(9000, 'y') + "\"]"},
        Text{"order_of_utf16", "{\"\xef\xbf\xbf\":1,\"\xf0\x90\x80\x80\":2,\"a\":3}"},
        Text{"repeated", R"({"a":1,"b":2,"a":3})"}, Text{"repeated_inside", R"([{"x":{"k":1,"k":1}}])"},
        Text{"repeated_by_escape", R"({"a":1,"\u0061":2})"}, Text{"repeated_among_many", many_members(100, "m7")},
        Text{"many", many_members(100, "other")}, Text{"few_and_repeated", many_members(47, "m46")},
        Text{"same_letters", R"({"abba":1,"acca":2,"adda":3})"}, Text{"lone_surrogate", R"(["\ud800"])"},
        Text{"bad_utf8", "[\"\xc3\x28\"]"}, Text{"control", "[\"\x01\"]"}, Text{"too_deep", nested(65)},
        Text{"deep", nested(64)}, Text{"cut", R"({"a":[1,2)"}, Text{"tail", "{} x"}, Text{"space", " { } \n"},
        Text{"empty", ""}, Text{"too_large", std::string((std::size_t{1} << 20) + 1, ' ')}),
    [](const testing::TestParamInfo<Text>& row) { return row.param.name; });

std::vector<std::string_view> names(const JsonNode& object) {
  std::vector<std::string_view> out;
  for (const JsonNode& member : object.children()) out.push_back(member.name);
  return out;
}

TEST(JsonNode, TakesMembersOutWhereverTheyStand) {
  for (const char* name : {"a", "b", "c"}) {
    const auto tree = JsonTree::parse(R"({"a":1,"b":2,"c":3})");
    JsonNode& object = tree->root();
    ASSERT_NE(object.take(name), nullptr) << name;
    EXPECT_EQ(object.take(name), nullptr) << name;
    EXPECT_EQ(object.count, 2U);
    JsonNode& added = tree->make_text("x");
    added.name = "new";
    object.append(added);
    EXPECT_EQ(names(object).back(), "new") << name;
    EXPECT_EQ(names(object).size(), 3U) << name;
  }
}

TEST(JsonNode, IsInsertedAtEachPlace) {
  const auto tree = JsonTree::parse("[1,3]");
  JsonNode& list = tree->root();
  list.insert_after(nullptr, tree->make_number(0));
  list.insert_after(list.first->next, tree->make_number(2));
  list.insert_after(list.last, tree->make_number(4));
  EXPECT_EQ(list.compact(), "[0,1,2,3,4]");
  EXPECT_EQ(list.count, 5U);
}

TEST(JsonTree, ACopyHasItsOwnChildren) {
  const auto tree = JsonTree::parse(R"({"a":[1],"b":2})");
  JsonNode& copy = tree->copy(tree->root());
  copy.take("a");
  copy.append(tree->make_text("x"));
  EXPECT_EQ(tree->root().compact(), R"({"a":[1],"b":2})");
  EXPECT_EQ(copy.compact(), R"({"b":2,"":"x"})");
}

TEST(JsonTree, LivesAsLongAsAnyPartOfIt) {
  const std::string text = R"({"inner":{"escaped":"\u0041"}})";
  auto whole = std::make_unique<JsonTree>(*JsonTree::parse(text));
  const JsonTree part = whole->at(*whole->root().find("inner"));
  whole.reset();
  EXPECT_EQ(part.root().text_of("escaped"), "A");
  EXPECT_EQ(part.root().text_of("absent"), "");
  EXPECT_EQ(part.root().find("escaped")->find("x"), nullptr);
}

}  // namespace
}  // namespace countersign
