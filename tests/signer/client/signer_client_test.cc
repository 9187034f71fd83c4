// The client against scripted answers; tests/signer/daemon runs it against the real signer.
#include "signer/client/signer_client.h"

#include <gtest/gtest.h>

#include <future>

#include "tests/signer/transport/served.h"

namespace countersign::client {
namespace {

using test::Served;
using transport::HttpRequest;
using transport::HttpResponse;
using transport::Responder;

transport::HttpServer::Handler always(int status, std::string body) {
  return [=](const HttpRequest&, Responder responder) {
    HttpResponse response;
    response.status = status;
    response.body = body;
    responder.send(std::move(response));
  };
}

SignRequest request() {
  return {statement::StatementType::Trace, Json::object({{"tool_name", "deploy"}}), {}, {}, {}, ""};
}

TEST(SignerClient, ReadsASignature) {
  Served served(always(200, R"({"type":"trace","statement":{"a":1},"kid":"k","role":"trace","log_index":7,)"
                            R"("redeemed":["t1"]})"));
  SignerClient client(served.path());
  const auto answer = client.sign(request());
  ASSERT_TRUE(answer) << answer.error().detail;
  const Signed& made = std::get<Signed>(*answer);
  EXPECT_EQ(made.kid, "k");
  EXPECT_EQ(made.log_index, 7u);
  EXPECT_EQ(made.redeemed, std::vector<std::string>{"t1"});
}

constexpr const char* kMade =
    R"({"type":"trace","statement":{"a":1},"kid":"k","role":"trace","log_index":7,"redeemed":[])";

TEST(SignerClient, TakesAPermitOnlyWhereTheAnswerSaysThatThisRequestSpentIt) {
  SignRequest executing = request();
  executing.execute = true;
  Served spent(always(200, std::string(kMade) + R"(,"executed":true})"));
  const auto first = SignerClient(spent.path()).sign(executing);
  ASSERT_TRUE(first) << first.error().detail;
  EXPECT_TRUE(std::holds_alternative<Signed>(*first));

  Served repeated(always(200, std::string(kMade) + R"(,"executed":false})"));
  const auto second = SignerClient(repeated.path()).sign(executing);
  ASSERT_TRUE(second) << second.error().detail;
  EXPECT_EQ(std::get<Refusal>(*second).error.wire_code(), "already_executed");

  for (const char* end : {"}", R"(,"executed":"true"})"}) {
    Served silent(always(200, std::string(kMade) + end));
    const auto answer = SignerClient(silent.path()).sign(executing);
    ASSERT_FALSE(answer) << end;
    EXPECT_EQ(answer.error().code, ErrorCode::Unavailable);
  }
}

TEST(SignerClient, ActsOnceBetweenRequestAndAnswer) {
  std::promise<void> acted;
  std::future<void> done = acted.get_future();
  Served served([&](const HttpRequest&, Responder responder) {
    HttpResponse response;
    const bool meanwhile = done.wait_for(std::chrono::seconds(20)) == std::future_status::ready;
    response.body = meanwhile ? std::string(kMade) + "}" : "{}";
    responder.send(std::move(response));
  });
  SignRequest waiting = request();
  waiting.meanwhile = [&] { acted.set_value(); };  // a second time throws
  const auto answer = SignerClient(served.path()).sign(waiting);
  EXPECT_TRUE(answer) << answer.error().detail;

  bool called = false;
  waiting.meanwhile = [&] { called = true; };
  EXPECT_FALSE(SignerClient("/nonexistent/sign.sock").sign(waiting));
  EXPECT_FALSE(called);
}

TEST(SignerClient, ReadsARefusalWithItsTokens) {
  Served served(always(409, R"({"error":{"code":"approval_token_consumed","message":"m","hint":"h","tokens":)"
                            R"([{"token_id":"t1","code":"approval_token_consumed"}]}})"));
  SignerClient client(served.path());
  const auto answer = client.sign(request());
  ASSERT_TRUE(answer) << answer.error().detail;
  const Refusal& refusal = std::get<Refusal>(*answer);
  EXPECT_EQ(refusal.error.code, ErrorCode::Conflict);
  EXPECT_EQ(refusal.error.wire_code(), "approval_token_consumed");
  ASSERT_EQ(refusal.tokens.size(), 1u);
  EXPECT_EQ(refusal.tokens[0].token_id, "t1");
}

struct Unusable {
  const char* name;
  int status;
  const char* body;
};

class UnusableAnswer : public testing::TestWithParam<Unusable> {};

TEST_P(UnusableAnswer, IsNoSignature) {
  Served served(always(GetParam().status, GetParam().body));
  SignerClient client(served.path());
  const auto answer = client.sign(request());
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code, ErrorCode::Unavailable);
}

INSTANTIATE_TEST_SUITE_P(
    Answers, UnusableAnswer,
    testing::Values(Unusable{"no_json", 200, "hello"}, Unusable{"empty_object", 200, "{}"},
                    Unusable{"negative_index", 200, R"({"statement":{},"log_index":-1,"redeemed":[]})"},
                    Unusable{"unavailable", 503, R"({"error":{"code":"sign_deadline","message":"m","hint":""}})"}),
    [](const testing::TestParamInfo<Unusable>& info) { return std::string(info.param.name); });

TEST(SignerClient, IsUnavailableWhenNobodyListens) {
  SignerClient client("/nonexistent/sign.sock");
  const auto answer = client.sign(request());
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code, ErrorCode::Unavailable);
  EXPECT_EQ(client.keys().error().code, ErrorCode::Unavailable);
}

TEST(SignerClient, TellsAnUnknownDecisionFromAnError) {
  Served unknown(always(404, R"({"error":{"code":"not_found","message":"m","hint":""}})"));
  SignerClient client(unknown.path());
  const auto none = client.decision(Digest(), Digest());
  ASSERT_TRUE(none);
  EXPECT_FALSE(none->has_value());
  Served refusing(always(403, R"({"error":{"code":"refused","message":"m","hint":""}})"));
  SignerClient refused(refusing.path());
  EXPECT_FALSE(refused.decision(Digest(), Digest()));
}

}  // namespace
}  // namespace countersign::client
