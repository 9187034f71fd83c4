// MCP 2026-07-28, "Custom Headers", as the Python SDK 2.3.0 (mcp/shared/inbound.py) reads it.
#include "gate/broker/parameter_headers.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace countersign::broker {
namespace {

Json json(const std::string& text) {
  return *Json::parse(text);
}

TEST(ParameterHeaders, CarryMarkedArgumentsThatAreThere) {
  const Json schema = json(
      R"({"type":"object","properties":{"city":{"type":"string","x-mcp-header":"City"},"n":{"type":"integer","x-mcp-header":"N"},)"
      R"("b":{"type":"boolean","x-mcp-header":"B"},"gone":{"type":"string","x-mcp-header":"Gone"},"plain":{"type":"string"},)"
      R"("in":{"type":"object","properties":{"x":{"type":"string","x-mcp-header":"X"}}}},"default":{"x-mcp-header":"no"}})");
  const auto fields =
      parameter_headers(schema, json(R"({"city":"Köln","n":-3,"b":true,"plain":"p","in":{"x":"a b"}})"));
  ASSERT_TRUE(fields.has_value()) << fields.error().detail;
  std::vector<std::string> sorted = *fields;
  std::sort(sorted.begin(), sorted.end());
  EXPECT_EQ(sorted, (std::vector<std::string>{"Mcp-Param-B: true", "Mcp-Param-City: =?base64?S8O2bG4=?=",
                                              "Mcp-Param-N: -3", "Mcp-Param-X: a b"}));
  EXPECT_TRUE(parameter_headers(json(R"({"type":"object"})"), json("{}"))->empty());
}

TEST(ParameterHeaders, NeverCarryALineOfTheirOwn) {
  const Json schema = json(R"({"properties":{"a":{"type":"string","x-mcp-header":"A"}}})");
  const auto fields = parameter_headers(schema, json(R"({"a":"x\r\nAuthorization: y"})"));
  ASSERT_EQ(fields->size(), 1U);
  EXPECT_EQ(fields->front().find('\n'), std::string::npos);
}

class WrongMark : public testing::TestWithParam<const char*> {};
TEST_P(WrongMark, IsRefused) {
  const auto fields = parameter_headers(json(GetParam()), json(R"({"a":"x","b":"y"})"));
  ASSERT_FALSE(fields.has_value());
  EXPECT_EQ(fields.error().reason, "not_sent");
}
INSTANTIATE_TEST_SUITE_P(
    Each, WrongMark,
    testing::Values(
        R"({"x-mcp-header":"A"})", R"({"properties":{"a":{"type":"number","x-mcp-header":"A"}}})",
        R"({"properties":{"a":{"type":["string"],"x-mcp-header":"A"}}})",
        R"({"properties":{"a":{"x-mcp-header":"A"}}})", R"({"properties":{"a":{"type":"string","x-mcp-header":""}}})",
        R"({"properties":{"a":{"type":"string","x-mcp-header":"A: b"}}})",
        R"({"properties":{"a":{"type":"string","x-mcp-header":1}}})",
        R"({"properties":{"a":{"type":"string","x-mcp-header":"A"},"b":{"type":"string","x-mcp-header":"a"}}})",
        R"({"properties":{"a":{"type":"array","items":{"type":"string","x-mcp-header":"A"}}}})",
        R"({"anyOf":[{"properties":{"a":{"type":"string","x-mcp-header":"A"}}}]})"));

}  // namespace
}  // namespace countersign::broker
