#include "gate/tool_call.h"

#include <gtest/gtest.h>

#include "gate/intent.h"

namespace countersign::gate {
namespace {

Json json(const std::string& text) {
  return *Json::parse(text, Json::Limits{.gait = true});
}

// The digests gait gave these calls.
constexpr std::string_view kWithContext = "06704591d59b32831f971ab1891865f98a77285860b9e317b8ab9150e79745e3";
constexpr std::string_view kWithout = "01d30cfeb920d466b798360de50fd692cf7515c30bcef0953f6a6a8c4a2a5416";

struct Shape {
  const char* adapter;
  const char* call;
  std::string_view digest;
  bool made;
};
const Shape kShapes[] = {
    {"mcp",
     R"({"name":"db.save.cjds","args":{"path":"/tmp/aaax/\u6570\u636e.csv"},"targets":[{"kind":"path","value":"/tmp/aaax/\u6570\u636e.csv","operation":"write"}],
         "context":{"identity":"wazr@team.example","workspace":"/home/hvdm","risk_class":"high","session_id":"s"}})",
     kWithContext, false},
    {" MCP ", R"({"name":"db.save.cjds","arguments":{"path":"/tmp/aaax/\u6570\u636e.csv"}})", kWithout, true},
    {"openai",
     R"({"type":"function","function":{"name":"db.save.cjds","arguments":"{\"path\": \"/tmp/aaax/\\u6570\\u636e.csv\"}"}})",
     kWithout, true},
    {"anthropic", R"({"type":"tool_use","name":"db.save.cjds","input":{"path":"/tmp/aaax/\u6570\u636e.csv"}})",
     kWithout, true},
    {"langchain", R"({"tool":"db.save.cjds","tool_input":{"path":"/tmp/aaax/\u6570\u636e.csv"}})", kWithout, true},
    {"claude_code", R"({"tool_name":"db.save.cjds","tool_input":{"path":"/tmp/aaax/\u6570\u636e.csv"}})", kWithout,
     true},
};

TEST(ToolCall, OfEachShapeIsTheIntentThatGaitMakesOfIt) {
  for (const Shape& shape : kShapes) {
    const auto call = ToolCall::parse(shape.adapter, json(shape.call));
    ASSERT_TRUE(call) << shape.adapter << ": " << call.error().detail;
    EXPECT_EQ(call->context_is_made, shape.made) << shape.adapter;
    const auto intent = Intent::parse(call->intent);
    ASSERT_TRUE(intent) << shape.adapter << ": " << intent.error().detail;
    EXPECT_EQ(intent->intent_digest().hex(), shape.digest) << shape.adapter;
  }
}

TEST(ToolCall, FillsInOnlyWhatIsMissing) {
  const auto call = ToolCall::parse(
      "claude_code",
      json(R"({"tool_name":"Bash","session_id":"s1","context":{"identity":"me","oauth_evidence":{"sub":"x"}}})"));
  ASSERT_TRUE(call) << call.error().detail;
  EXPECT_TRUE(call->context_is_made);
  EXPECT_EQ(call->session_id, "s1");
  const Json& context = *call->intent.find("context");
  EXPECT_EQ(context.text("identity"), "me");
  EXPECT_EQ(context.text("workspace"), ".");
  EXPECT_EQ(context.find("oauth_evidence"), nullptr);
  EXPECT_EQ(context.find("auth_context")->find("oauth_evidence")->text("sub"), "x");
}

TEST(ToolCall, ThatIsNotOfItsShapeIsRefused) {
  const std::pair<const char*, const char*> calls[] = {
      {"telnet", R"({"name":"x"})"},
      {"mcp", R"([])"},
      {"mcp", R"({"name":""})"},
      {"mcp", R"({"name":5})"},
      {"mcp", R"({"name":"x","args":[]})"},
      {"mcp", R"({"name":"x","args":"{}"})"},
      {"mcp", R"({"name":"x","context":[]})"},
      {"mcp", R"({"name":"x","context":{"identity":5}})"},
      {"mcp", R"({"name":"x","context":{"oauth_evidence":{},"auth_context":[]}})"},
      {"openai", R"({"name":"x","arguments":"{}"})"},
      {"openai", R"({"function":{"name":"x","arguments":"{"}})"},
      {"openai", R"({"function":{"name":"x","arguments":"[]"}})"},
      {"anthropic", R"({"tool":"x"})"},
      {"langchain", R"({"name":"x"})"},
      {"claude_code", R"({"name":"x"})"},
  };
  for (const auto& [adapter, call] : calls) {
    const auto read = ToolCall::parse(adapter, json(call));
    ASSERT_FALSE(read) << adapter << " " << call;
    EXPECT_EQ(read.error().code, ErrorCode::Invalid);
  }
}

}  // namespace
}  // namespace countersign::gate
