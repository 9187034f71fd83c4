#include "gate/broker/mcp_session.h"

#include <gtest/gtest.h>

#include <vector>

namespace countersign::broker {
namespace {

// A broker whose answers stand in a row, and what it was asked.
class Scripted {
 public:
  explicit Scripted(std::vector<Result<Json>> answers) : answers_(std::move(answers)) {}
  Result<Json> operator()(const std::string& target, const Json& body) {
    asked.push_back(target + (target == "/v1/waiting" ? " " + std::string(body.text("request_id")) : ""));
    if (next_ == answers_.size()) return Error{ErrorCode::Internal, "nothing more was expected"};
    return answers_[next_++];
  }
  std::vector<std::string> asked;

 private:
  std::vector<Result<Json>> answers_;
  std::size_t next_ = 0;
};

Json row(const char* id, Json definition) {
  return Json::object({{"tool_id", id}, {"definition", std::move(definition)}});
}

Json offering(Json tool) {
  const Json file = Json::object({{"uri", "file:///a"}, {"name", "a"}});
  const Json any = Json::object({{"uriTemplate", "file:///{name}"}, {"name", "any"}});
  return Json::object(
      {{"tools", Json::Array{row("fs:write", std::move(tool))}},
       {"resources", Json::Array{row("fs:resources/file:///a", file), row("net:resources/file:///a", file)}},
       {"resource_templates", Json::Array{row("fs:resources/file:///__1", any)}},
       {"prompts", Json::Array{row("fs:prompts/sum", Json::object({{"name", "sum"}})),
                               row("fs:prompts/s_m", Json::object({{"name", "s_m"}})),
                               row("fs:prompts/s.m", Json::object({{"name", "s.m"}}))}}});
}

Json tools() {
  return offering(Json::object({{"name", "write"}}));
}

Json needs_approval() {
  return Json::object({{"error", "approval_required"}, {"request_id", "r1"}, {"tool_id", "fs:write"}});
}

Json waiting(bool yes) {
  return Json::object({{"request_id", "r1"}, {"waiting", yes}});
}

Json done() {
  return Json::object({{"result", Json::object({{"content", Json::Array{}}, {"isError", false}})}});
}

constexpr std::string_view kCall =
    R"({"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"fs__write","arguments":{}}})";

// The reply to the call, which may be kept open for `patience` rounds.
Json answered(Scripted& broker, int patience) {
  McpSession session([&broker](const std::string& target, const Json& body) { return broker(target, body); },
                     [patience](const std::optional<Json>&) mutable { return patience-- > 0; },
                     std::make_shared<ToolNames>(), true);
  return *session.answer(kCall);
}

TEST(McpSession, MakesACallAgainOnlyOnceItIsWorthIt) {
  const Error restarting{ErrorCode::Unavailable, "nobody answers"};
  Scripted broker({tools(), needs_approval(), waiting(true), restarting, waiting(true), waiting(false), done()});
  const Json reply = answered(broker, 100);
  EXPECT_EQ(*reply.find("result")->find("isError"), Json(false));
  EXPECT_EQ(broker.asked, (std::vector<std::string>{"/v1/tools", "/v1/call", "/v1/waiting r1", "/v1/waiting r1",
                                                    "/v1/waiting r1", "/v1/waiting r1", "/v1/call"}));
}

TEST(McpSession, AnswersWhenItShallWaitNoLonger) {
  for (const int patience : {0, 2}) {
    Scripted broker({tools(), needs_approval(), waiting(true), waiting(true)});
    const Json reply = answered(broker, patience);
    EXPECT_EQ(reply.find("result")->find("structuredContent")->text("error"), "approval_required");
    EXPECT_EQ(broker.asked.size(), 2u + static_cast<std::size_t>(patience));
  }
}

TEST(McpSession, TellsWhatBecameOfARequestThatIsGone) {
  const Error gone{ErrorCode::NotFound, "there is no such request", "unknown_request"};
  Scripted broker({tools(), needs_approval(), gone,
                   Json::object({{"error", "rejected"}, {"request_id", "r1"}, {"reason", "not today"}})});
  EXPECT_EQ(answered(broker, 100).find("result")->find("structuredContent")->text("error"), "rejected");
}

TEST(McpSession, TellsABrokerThatEndedFromOneThatWasNotReached) {
  struct Case {
    const char* reason;
    const char* word;
  };
  for (const Case& each : {Case{"no_answer", "outcome_unknown"}, Case{"no_connection", "no_connection"}}) {
    Scripted broker({tools(), Error{ErrorCode::Unavailable, "it is gone", each.reason}});
    const Json reply = answered(broker, 100);
    EXPECT_EQ(reply.find("result")->find("structuredContent")->text("error"), each.word);
    EXPECT_EQ(broker.asked.size(), 2u);  // asked once
  }
}

TEST(McpSession, ShowsToolsAsClientsMayTakeThem) {
  const Json definition = Json::object({{"name", "write"},
                                        {"description", "Writes."},
                                        {"inputSchema", Json::object({{"type", "object"}})},
                                        {"outputSchema", Json::object({{"type", "object"}})},
                                        {"_meta", Json::object({{"countersign/decision", "allow"}})}});
  Scripted broker({offering(definition)});
  McpSession session([&broker](const std::string& target, const Json& body) { return broker(target, body); },
                     [](const std::optional<Json>&) { return false; }, std::make_shared<ToolNames>(), true);
  const Json reply = *session.answer(R"({"jsonrpc":"2.0","id":1,"method":"tools/list"})");
  EXPECT_EQ(
      reply.find("result")->find("tools")->as_array().front(),
      Json::object(
          {{"name", "fs__write"}, {"description", "Writes."}, {"inputSchema", Json::object({{"type", "object"}})}}));
}

// The broker's answers in a row, and the reply to one request.
Json reply_to(Scripted& broker, const std::string& request) {
  McpSession session([&broker](const std::string& target, const Json& body) { return broker(target, body); },
                     [](const std::optional<Json>&) { return false; }, std::make_shared<ToolNames>(), true);
  return *session.answer(R"({"jsonrpc":"2.0","id":1,"method":)" + request + "}");
}

std::vector<std::string> named(const Json& reply, const char* list, const char* member) {
  std::vector<std::string> names;
  for (const Json& each : reply.find("result")->find(list)->as_array()) names.emplace_back(each.text(member));
  return names;
}

TEST(McpSession, NamesWhatServersOfferSoThatTwoAreNeverOne) {
  using Names = std::vector<std::string>;
  Scripted lists({tools(), tools(), tools()});
  EXPECT_EQ(named(reply_to(lists, R"("resources/list")"), "resources", "uri"),
            (Names{"countersign:fs/file:///a", "countersign:net/file:///a"}));
  EXPECT_EQ(named(reply_to(lists, R"("resources/templates/list")"), "resourceTemplates", "uriTemplate"),
            Names{"countersign:fs/file:///{name}"});
  EXPECT_EQ(named(reply_to(lists, R"("prompts/list")"), "prompts", "name"), (Names{"fs__sum", "fs__s_m", "fs__s_m_2"}));
  for (const char* server : {"fs", "@scope/a.b", "a:b"}) {
    const std::optional<ServerUri> back = server_uri(client_uri(server, "file:///a/b"));
    ASSERT_TRUE(back);
    EXPECT_EQ(back->server, server);
    EXPECT_EQ(back->uri, "file:///a/b");
  }
  for (const char* other : {"file:///a", "countersign:fs", "countersign:%4/a", "countersign:%zz/a"}) {
    EXPECT_FALSE(server_uri(other)) << other;
  }
}

TEST(McpSession, ReadsAResourceAndSaysItsUriAsTheClientDid) {
  const Json contents = Json::object({{"contents", Json::Array{Json::object({{"uri", "file:///a"}, {"text", "x"}})}}});
  Scripted broker({Json::object({{"result", contents}, {"trace_id", "t1"}})});
  const Json reply = reply_to(broker, R"("resources/read","params":{"uri":"countersign:fs/file:///a"})");
  EXPECT_EQ(named(reply, "contents", "uri"), std::vector<std::string>{"countersign:fs/file:///a"});
  EXPECT_EQ(broker.asked, std::vector<std::string>{"/v1/call"});
}

TEST(McpSession, TellsADecisionAboutAResourceAsAnErrorWithTheBrokersAnswer) {
  struct Case {
    Json answer;
    int code;
  };
  const Case cases[] = {
      {needs_approval(), kDecided},
      {Json::object({{"error", "denied"}, {"rule", "agents.web.deny fs:*"}}), kDecided},
      {Json::object({{"error", "content_withheld"}, {"message", "its answer was withheld"}}), kDecided},
      {Json::object({{"error", "tool_not_found"}}), kResourceNotFound}};
  for (const Case& each : cases) {
    Scripted broker({each.answer});
    const Json reply = reply_to(broker, R"("resources/read","params":{"uri":"countersign:fs/file:///a"})");
    ASSERT_NE(reply.find("error"), nullptr) << reply.compact();
    EXPECT_EQ(*reply.find("error")->find("code"), Json(each.code));
    EXPECT_EQ(*reply.find("error")->find("data"), each.answer);
    EXPECT_EQ(request_that_waits(reply), each.answer.text("error") == "approval_required" ? "r1" : "");
  }
  Scripted nobody({});
  for (const char* params : {R"({})", R"({"uri":"file:///a"})", R"({"uri":"countersign:fs/file:///../a"})"}) {
    const Json reply = reply_to(nobody, std::string(R"("resources/read","params":)") + params);
    EXPECT_EQ(*reply.find("error")->find("code"), Json(kInvalidParams)) << params;
  }
  EXPECT_TRUE(nobody.asked.empty());
}

TEST(McpSession, GetsAPromptByTheNameItWasShown) {
  const Json message = Json::object({{"role", "user"}, {"content", Json::object({{"type", "text"}, {"text", "x"}})}});
  const Json prompt = Json::object({{"messages", Json::Array{message}}});
  Scripted broker({tools(), Json::object({{"result", prompt}, {"trace_id", "t1"}})});
  const Json reply = reply_to(broker, R"("prompts/get","params":{"name":"fs__sum","arguments":{"of":"a"}})");
  EXPECT_EQ(reply.find("result")->find("messages")->as_array().front(), message);
  Scripted without({tools()});
  const Json unknown = reply_to(without, R"("prompts/get","params":{"name":"fs__other"})");
  EXPECT_EQ(*unknown.find("error")->find("code"), Json(kInvalidParams));
}

TEST(McpSession, LeavesOutWhatIsNotAJsonRpcRequest) {
  Scripted broker({});
  McpSession session([&broker](const std::string& target, const Json& body) { return broker(target, body); },
                     [](const std::optional<Json>&) { return false; });
  EXPECT_FALSE(session.answer(R"({"jsonrpc":"2.0","method":"notifications/initialized"})"));
  EXPECT_EQ(*session.answer(kCall)->find("error")->find("code"), Json(kInvalidRequest));  // nobody said hello
  EXPECT_TRUE(broker.asked.empty());
}

}  // namespace
}  // namespace countersign::broker
