#include "common/strict_yaml.h"

#include <gtest/gtest.h>

namespace countersign {
namespace {

std::string refusal(std::string_view text, const YamlLimits& limits = {}) {
  const Result<YamlNode> node = parse_yaml(text, limits);
  return node ? "accepted" : node.error().detail;
}

TEST(StrictYaml, KeepsOrderStyleAndLines) {
  const Result<YamlNode> node = parse_yaml("b: 1\na: [x, \"2\", ~]\n", {});
  ASSERT_TRUE(node);
  ASSERT_EQ(node->map.size(), 2U);
  EXPECT_EQ(node->map[0].first, "b");
  EXPECT_TRUE(node->map[0].second.plain);
  EXPECT_EQ(node->map[1].second.line, 2);
  const std::vector<YamlNode>& list = node->map[1].second.sequence;
  EXPECT_TRUE(list[0].plain);
  EXPECT_FALSE(list[1].plain);
  EXPECT_EQ(list[2].kind, YamlNode::Kind::Null);
}

TEST(StrictYaml, ExpandsAliases) {
  const Result<YamlNode> node = parse_yaml("a: &x {k: v}\nb: *x\n", {});
  ASSERT_TRUE(node);
  EXPECT_EQ(node->find("b")->find("k")->scalar, "v");
}

TEST(StrictYaml, RefusesWhatWouldBeLostOrMerged) {
  EXPECT_NE(refusal("a: 1\nb: 2\na: 3\n").find("line 3: the key \"a\" stands twice"), std::string::npos);
  EXPECT_NE(refusal("? [x]\n: 1\n").find("no scalar"), std::string::npos);
  EXPECT_NE(refusal("a: 1\n---\nb: 2\n").find("more than one document"), std::string::npos);
  EXPECT_NE(refusal("a: [1\n"), "accepted");
  EXPECT_NE(refusal("a:\n\t- 1\n"), "accepted");
  EXPECT_NE(refusal(std::string(70, '[') + std::string(70, ']')).find("too deeply"), std::string::npos);
  EXPECT_NE(refusal(std::string_view("a: \0b", 5)), "accepted");
  EXPECT_EQ(refusal("a: 1\n---\nb: 2\n", YamlLimits{.single_document = false}), "accepted");
}

TEST(StrictYaml, AnExpansionBombCostsNoMoreThanTheLimit) {
  std::string text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n";
  for (int i = 1; i < 12; ++i) {
    const std::string before = "*a" + std::to_string(i - 1);
    text += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [" + before;
    for (int k = 1; k < 10; ++k) text += ", " + before;
    text += "]\n";
  }
  EXPECT_NE(refusal(text).find("too many nodes"), std::string::npos);
}

TEST(YamlFields, ReadsEachMemberOnceAndRefusesTheRest) {
  const Result<YamlNode> node = parse_yaml("name: x\ncount: 3\non: true\nspan: 1h30m\nlist: [a, b]\nextra: 1\n", {});
  ASSERT_TRUE(node);
  YamlFields fields(*node, "top");
  EXPECT_EQ(*fields.required_text("name"), "x");
  EXPECT_EQ(*fields.integer("count", 0, 1, 5), 3);
  EXPECT_TRUE(*fields.boolean("on", false));
  EXPECT_EQ(*fields.duration("span", std::chrono::seconds(1)), std::chrono::minutes(90));
  EXPECT_EQ(fields.texts("list")->size(), 2U);
  EXPECT_EQ(*fields.text("absent", "default"), "default");
  const Status rest = fields.finish();
  ASSERT_FALSE(rest);
  EXPECT_EQ(rest.error().detail, "top.extra is not a known option (line 6)");
}

TEST(YamlFields, RefusesWrongTypesNamingPathAndLine) {
  const Result<YamlNode> node = parse_yaml("count: 9\non: yes\nspan: 5\nname: [x]\nlist: x\ntext: '3'\n", {});
  ASSERT_TRUE(node);
  YamlFields fields(*node, "limits");
  EXPECT_EQ(fields.integer("count", 0, 1, 5).error().detail,
            "limits.count must be a whole number from 1 to 5 (line 1)");
  EXPECT_FALSE(fields.boolean("on", false));
  EXPECT_FALSE(fields.duration("span", std::chrono::seconds(1)));
  EXPECT_FALSE(fields.text("name", ""));
  EXPECT_FALSE(fields.texts("list"));
  EXPECT_FALSE(fields.integer("text", 0, 1, 5)) << "a quoted number is a text";
  EXPECT_EQ(fields.required_text("missing").error().code, ErrorCode::Invalid);
}

}  // namespace
}  // namespace countersign
