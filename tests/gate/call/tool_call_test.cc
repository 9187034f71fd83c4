#include "gate/call/tool_call.h"

#include <gtest/gtest.h>

#include "gate/intent/intent.h"

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
    {"claudecode", R"({"name":"db.save.cjds","input":"{\"path\":\"/tmp/aaax/\u6570\u636e.csv\"}"})", kWithout, true},
    {"", R"({"NAME":"db.save.cjds","Args":{"path":"/tmp/aaax/\u6570\u636e.csv"}})", kWithout, true},
    {"openai", R"({"function":{"name":"db.save.cjds","arguments":{"path":"/tmp/aaax/\u6570\u636e.csv"}}})", kWithout,
     true},
};

TEST(ToolCall, OfEachShapeIsTheIntentThatGaitMakesOfIt) {
  for (const Shape& shape : kShapes) {
    const auto call = ToolCall::parse(shape.adapter, json(shape.call), CallReading::AsGait);
    ASSERT_TRUE(call) << shape.adapter << ": " << call.error().detail;
    EXPECT_EQ(call->context_is_made, shape.made) << shape.adapter;
    const auto intent = Intent::parse(call->intent);
    ASSERT_TRUE(intent) << shape.adapter << ": " << intent.error().detail;
    EXPECT_EQ(intent->intent_digest().hex(), shape.digest) << shape.adapter;
  }
}

struct Same {
  const char* adapter;
  const char* call;
  const char* intent;  // without the context that stands in
};
// A call and the intent that gait's proxy makes of it.
const Same kSame[] = {
    {"claude_code",
     R"({"session_id":"s","tool_name":"Bash","tool_input":{"command":" npm test"},"hook_event_name":"PreToolUse"})",
     R"({"tool_name":"tool.exec","args":{"command":" npm test"},"targets":[{"kind":"other","value":"npm test","operation":"execute"}],
         "context":{"session_id":"s","auth_context":{"hook_event_name":"PreToolUse","adapter":"claude_code"}}})"},
    {"claude_code", R"({"tool_name":"Notebook-Edit","tool_input":{"file_path":"/n"}})",
     R"({"tool_name":"tool.write","args":{"file_path":"/n"},"targets":[{"kind":"path","value":"/n","operation":"write"}]})"},
    {"claude_code", R"({"tool_name":"Web Search","tool_input":{"path":"/p","url":"https://h/x"}})",
     R"({"tool_name":"tool.read","args":{"path":"/p","url":"https://h/x"},"targets":[
         {"kind":"path","value":"/p","operation":"read"},{"kind":"url","value":"https://h/x","operation":"read"}]})"},
    {"claude_code", R"({"name":"Custom Action","input":{"path":"/p"}})",
     R"({"tool_name":"tool.custom_action","args":{"path":"/p"}})"},
    {"langchain", R"({"tool":"a","tool_input":" "})", R"({"tool_name":"a","args":{}})"},
    {"openai", R"({"function":{"name":"a","arguments":null}})", R"({"tool_name":"a","args":{}})"},
    {"mcp", R"({"name":"a","target":"https://h/x"})",
     R"({"tool_name":"a","args":{},"targets":[{"kind":"url","value":"https://h/x"}]})"},
    {"mcp", R"({"name":"a","target":"b/c"})",
     R"({"tool_name":"a","args":{},"targets":[{"kind":"path","value":"b/c"}]})"},
    {"mcp", R"({"name":"a","target":"h"})", R"({"tool_name":"a","args":{},"targets":[{"kind":"host","value":"h"}]})"},
    {"mcp",
     R"({"name":"a","targets":[{"kind":"path","value":"/x","operation":"read","discoveryMethod":"webmcp","destructiveHint":true,
        "annotations":{"readOnlyHint":"TRUE","destructive_hint":false,"openWorldHint":5}}]})",
     R"({"tool_name":"a","args":{},"targets":[{"kind":"path","value":"/x","operation":"read","discovery_method":"webmcp",
         "read_only_hint":true}]})"},
    {"mcp",
     R"({"script":{"steps":[{"name":"tool.read","args":{"p":1},"targets":[{"kind":"path","value":"/x","operation":"read"}]},
        {"name":"b"}]},"args":{"lost":1}})",
     R"({"script":{"steps":[{"tool_name":"tool.read","args":{"p":1},"targets":[{"kind":"path","value":"/x","operation":"read"}]},
         {"tool_name":"b","args":{}}]}})"},
    {"mcp",
     R"({"name":"a","context":{"auth_mode":" oauth ","oauth_evidence":{"issuer":"i","scopes":["s"],"more":1},"auth_context":{"p":"q"}}})",
     R"({"tool_name":"a","args":{},"context":{"auth_context":{"p":"q","auth_mode":"oauth","oauth_evidence":{"issuer":"i","scopes":["s"]}}}})"},
    {"mcp",
     R"({"name":"a","delegation":{"requester_identity":"r","chain":[{"delegator_identity":"d","delegate_identity":"r"}]}})",
     R"({"tool_name":"a","args":{},"delegation":{"requester_identity":"r","chain":[{"delegator_identity":"d","delegate_identity":"r"}]}})"},
};

TEST(ToolCall, IsTheIntentThatSaysTheSame) {
  for (const Same& each : kSame) {
    Json intent = json(each.intent);
    if (intent.find("context") == nullptr) intent.set("context", Json(Json::Object{}));
    Json& context = *intent.find("context");
    context.set("identity", "mcp-proxy");
    context.set("workspace", ".");
    context.set("risk_class", "high");
    const Intent expected = *Intent::parse(intent, ArgsReading::AsGait);
    for (const CallReading reading : {CallReading::AsGait, CallReading::Whole}) {
      const auto call = ToolCall::parse(each.adapter, json(each.call), reading);
      ASSERT_TRUE(call) << each.call << ": " << call.error().detail;
      const auto read = Intent::parse(call->intent, ArgsReading::AsGait);
      ASSERT_TRUE(read) << each.call << ": " << read.error().detail;
      EXPECT_EQ(read->digest_form().canonical(), expected.digest_form().canonical()) << each.call;
    }
  }
}

// gait's proxy drops them; with the signer they are judged and bound.
TEST(ToolCall, IsReadWholeOrAsGaitReadsIt) {
  const Json mcp = json(
      R"({"name":"a","args":{},"targets":[{"kind":"path","value":"/x","destructive":true,"endpoint_class":"fs.read"}],
      "context":{"identity":"i","run_id":"r 1","job_id":"j","agent_id":"ag","auth_context":{"x":"y"}},
      "delegation":{"requester_identity":"q","issued_at":"2026-01-01T00:00:00Z"},
      "skill_provenance":{"skill_name":"s","source":"registry","publisher":"p"}})");
  const auto whole = ToolCall::parse("mcp", mcp, CallReading::Whole);
  const auto gaits = ToolCall::parse("mcp", mcp, CallReading::AsGait);
  ASSERT_TRUE(whole && gaits);
  EXPECT_EQ(run_id_of(whole->run_id), "run_r_1");
  EXPECT_EQ(run_id_of(gaits->run_id), "run_r_1");
  EXPECT_EQ(gaits->job_id, "j");
  const Intent bound = *Intent::parse(whole->intent);
  const Intent dropped = *Intent::parse(gaits->intent);
  EXPECT_EQ(bound.context().agent_id, "ag");
  EXPECT_EQ(dropped.context().agent_id, "");
  EXPECT_EQ(dropped.context().job_id, "j");
  EXPECT_TRUE(bound.has_destructive_target());
  EXPECT_FALSE(dropped.has_destructive_target());
  EXPECT_TRUE(bound.fields().skill_provenance);
  EXPECT_FALSE(dropped.fields().skill_provenance);
  EXPECT_TRUE(dropped.fields().delegation->issued_at.is_zero());
  EXPECT_FALSE(bound.fields().delegation->issued_at.is_zero());
  // Other shapes have nothing but a tool and its arguments to gait.
  const Json openai = json(
      R"({"function":{"name":"a","arguments":"{}"},"context":{"identity":"me"},"targets":[{"kind":"host","value":"h"}]})");
  EXPECT_EQ(ToolCall::parse("openai", openai, CallReading::AsGait)->intent.find("context")->text("identity"),
            "mcp-proxy");
  EXPECT_EQ(ToolCall::parse("openai", openai, CallReading::Whole)->intent.find("context")->text("identity"), "me");
}

TEST(ToolCall, SpellsRunIdsAsGaitDoes) {
  const std::pair<const char*, const char*> cases[] = {{"", ""},
                                                       {" / ", ""},
                                                       {"run_1", "run_1"},
                                                       {"my run", "run_my_run"},
                                                       {"__a--b__", "run_a--b"},
                                                       {"\u00e9x", "run_x"}};
  for (const auto& [given, expected] : cases) EXPECT_EQ(run_id_of(given), expected) << given;
}

TEST(ToolCall, FillsInOnlyWhatIsMissing) {
  const auto call = ToolCall::parse(
      "claude_code",
      json(R"({"tool_name":"Bash","session_id":"s1","context":{"identity":"me","oauth_evidence":{"subject":"x"}}})"),
      CallReading::Whole);
  ASSERT_TRUE(call) << call.error().detail;
  EXPECT_TRUE(call->context_is_made);
  EXPECT_EQ(call->session_id, "s1");
  const Json& context = *call->intent.find("context");
  EXPECT_EQ(context.text("identity"), "me");
  EXPECT_EQ(context.text("workspace"), ".");
  EXPECT_EQ(context.find("oauth_evidence"), nullptr);
  EXPECT_EQ(context.find("auth_context")->find("oauth_evidence")->text("subject"), "x");
  EXPECT_EQ(call->missing, "workspace");
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
      {"mcp", R"({"name":"x","context":{"auth_mode":5}})"},
      {"mcp", R"({"name":"x","context":{"oauth_evidence":{},"auth_context":[]}})"},
      {"openai", R"({"name":"x","arguments":"{}"})"},
      {"openai", R"({"function":{"name":"x","arguments":"{"}})"},
      {"openai", R"({"function":{"name":"x","arguments":"[]"}})"},
      {"anthropic", R"({"tool":"x"})"},
      {"langchain", R"({"name":"x"})"},
      {"claude_code", R"({"tool_name":" "})"},
      {"claude_code", R"({"tool_name":"Read","tool_input":["a"]})"},
      {"mcp", R"({"name":"x","targets":{}})"},
      {"mcp", R"({"name":"x","targets":[{"readOnlyHint":"yes"}]})"},
      {"mcp", R"({"name":"x","server":"github"})"},
      {"mcp", R"({"name":"x","script":{"steps":[5]}})"},
  };
  for (const auto& [adapter, call] : calls) {
    const auto read = ToolCall::parse(adapter, json(call), CallReading::Whole);
    ASSERT_FALSE(read) << adapter << " " << call;
    EXPECT_EQ(read.error().code, ErrorCode::Invalid);
  }
}

}  // namespace
}  // namespace countersign::gate
