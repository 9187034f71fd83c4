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

Json tools() {
  const Json definition = Json::object({{"name", "write"}});
  return Json::object({{"tools", Json::Array{Json::object({{"tool_id", "fs:write"}, {"definition", definition}})}}});
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
  Scripted broker(
      {Json::object({{"tools", Json::Array{Json::object({{"tool_id", "fs:write"}, {"definition", definition}})}}})});
  McpSession session([&broker](const std::string& target, const Json& body) { return broker(target, body); },
                     [](const std::optional<Json>&) { return false; }, std::make_shared<ToolNames>(), true);
  const Json reply = *session.answer(R"({"jsonrpc":"2.0","id":1,"method":"tools/list"})");
  EXPECT_EQ(
      reply.find("result")->find("tools")->as_array().front(),
      Json::object(
          {{"name", "fs__write"}, {"description", "Writes."}, {"inputSchema", Json::object({{"type", "object"}})}}));
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
