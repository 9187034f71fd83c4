// A permit that is signed and marked executed in one request: what its callers get, and what they do not get.
#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <thread>

#include "tests/signer/daemon/front_fixture.h"

namespace countersign::daemon {
namespace {

using client::Signed;
using client::SignRequest;
using statement::StatementType;
using test::RunningAppliance;
using test::trace_fields;
using transport::HttpClient;

std::string body_of(Json statement, const std::string& key = "", Json execute = true) {
  Json body = Json::object({{"type", "trace"}, {"statement", std::move(statement)}, {"execute", std::move(execute)}});
  if (!key.empty()) body.set("idempotency_key", key);
  return body.compact();
}

class Execute : public FrontTest {
 protected:
  static Answer spend(const Json& fields, std::vector<Json> redeem = {}, const std::string& key = "") {
    SignRequest request{StatementType::Trace, fields, std::move(redeem), {}, {}, key};
    request.execute = true;
    auto answer = shared->client().sign(request);
    if (!answer) throw std::runtime_error(answer.error().detail);
    return *std::move(answer);
  }
  // {"status", "body"} of POST /v1/sign.
  static std::pair<int, Json> posted(const std::string& body) {
    auto http = shared->http();
    const auto answer = http.post("/v1/sign", body, HttpClient::Repeat::Unsafe);
    if (!answer) throw std::runtime_error(answer.error().detail);
    return {answer->status, *Json::parse(answer->body)};
  }
  static std::string error_of(const Json& body) { return std::string(body.find("error")->text("code")); }
  static std::string executed(const Json& trace) {
    const Status marked = shared->client().executed(trace);
    return marked ? "executed" : marked.error().wire_code();
  }
};

TEST_F(Execute, SpendsThePermitThatItSigns) {
  const Answer answer = spend(trace_fields("spent", "allow"));
  ASSERT_EQ(code_of(answer), "signed");
  const Signed& permit = std::get<Signed>(answer);
  EXPECT_EQ(executed(permit.statement), "already_executed");
  const auto keys = shared->client().keys();
  EXPECT_TRUE(statement::VerifiedDocument::verify(StatementType::Trace, permit.statement, *keys));
  // The record of its use is the next one.
  EXPECT_GE(std::get<Signed>(sign_trace(trace_fields("after", "block"))).log_index, permit.log_index + 2);
}

TEST_F(Execute, LeavesAPermitAloneThatItIsNotAskedToSpend) {
  const auto [status, body] = posted(body_of(trace_fields("unspent", "allow"), "", false));
  ASSERT_EQ(status, 200);
  EXPECT_EQ(body.find("executed"), nullptr);
  EXPECT_EQ(executed(*body.find("statement")), "executed");
}

TEST_F(Execute, RedeemsApprovalsInTheSameStepAndOnce) {
  signed_trace(trace_fields("redeemed", "require_approval", 1));
  const Json token = approved("alice", "redeemed");
  const Json allow = trace_fields("redeemed", "allow", 1);
  EXPECT_EQ(code_of(spend(allow)), "approval_token_missing");
  const Answer first = spend(allow, {token});
  ASSERT_EQ(code_of(first), "signed");
  EXPECT_EQ(std::get<Signed>(first).redeemed.size(), 1u);
  EXPECT_EQ(executed(std::get<Signed>(first).statement), "already_executed");
  EXPECT_EQ(code_of(spend(allow, {token})), "approval_token_consumed");
}

TEST_F(Execute, RefusesAnAllowWithoutTokensAfterARequirement) {
  signed_trace(trace_fields("required", "require_approval", 1));
  EXPECT_EQ(code_of(spend(trace_fields("required", "allow"))), "approval_required_before");
}

TEST_F(Execute, SpendsNothingButAnAllow) {
  for (const char* verdict : {"block", "dry_run", "require_approval"}) {
    const std::string seed = std::string("no permit ") + verdict;
    EXPECT_EQ(code_of(spend(trace_fields(seed, verdict, 1))), "not_an_allow") << verdict;
    const auto decision = shared->client().decision(test::intent_digest(seed), *Digest::parse(test::kPolicy));
    ASSERT_TRUE(decision) << verdict;
    EXPECT_FALSE(decision->has_value()) << verdict << " was recorded";
  }
}

TEST_F(Execute, IsTrueOrFalseAndOfATrace) {
  const Json fields = trace_fields("misplaced", "allow");
  for (const Json& execute : {Json("true"), Json(1), Json(), Json::object({{"trace", fields}})}) {
    const auto [status, body] = posted(body_of(fields, "", execute));
    EXPECT_EQ(status, 400) << execute.compact();
    EXPECT_EQ(error_of(body), "invalid");
  }
  Json token = Json::object(
      {{"type", "approval_token"}, {"statement", test::token_fields("misplaced", "alice")}, {"execute", true}});
  const auto [status, body] = posted(token.compact());
  EXPECT_EQ(status, 400);
  EXPECT_EQ(error_of(body), "invalid");
}

TEST_F(Execute, TellsARepeatedRequestThatAnEarlierOneHasThePermit) {
  const std::string body = body_of(trace_fields("repeated", "allow"), "run-repeated");
  const auto [first_status, first] = posted(body);
  const auto [second_status, second] = posted(body);
  ASSERT_EQ(first_status, 200);
  ASSERT_EQ(second_status, 200);
  EXPECT_EQ(*first.find("executed"), Json(true));
  EXPECT_EQ(*second.find("executed"), Json(false));
  EXPECT_EQ(*first.find("statement"), *second.find("statement"));
  EXPECT_EQ(*first.find("log_index"), *second.find("log_index"));
  EXPECT_EQ(executed(*second.find("statement")), "already_executed");
  EXPECT_EQ(code_of(sign_trace(trace_fields("repeated", "allow"), {}, "run-repeated")), "idempotency_mismatch");
  // Nor does it spend what the key's first request left unspent.
  ASSERT_EQ(code_of(sign_trace(trace_fields("kept", "allow"), {}, "run-kept")), "signed");
  EXPECT_EQ(code_of(spend(trace_fields("kept", "allow"), {}, "run-kept")), "idempotency_mismatch");
}

TEST_F(Execute, LetsOneOfManyRequestsWithOneKeyHaveThePermit) {
  const Json fields = trace_fields("many", "allow");
  std::atomic<int> signed_once = 0;
  std::atomic<int> refused = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&] {
      const std::string code = code_of(spend(fields, {}, "run-many"));
      ++(code == "signed" ? signed_once : refused);
      EXPECT_TRUE(code == "signed" || code == "already_executed") << code;
    });
  }
  for (std::thread& each : threads) each.join();
  EXPECT_EQ(signed_once, 1);
  EXPECT_EQ(refused, 7);
}

TEST_F(Execute, TakesABatchApart) {
  const auto row = [](const char* verdict) {
    return Json::object({{"type", "trace"}, {"statement", trace_fields("row", verdict)}, {"execute", true}});
  };
  auto http = shared->http();
  const std::string body =
      Json::object({{"requests", Json::Array{row("block"), row("allow"), row("allow")}}}).compact();
  const auto answer = http.post("/v1/sign-batch", body, HttpClient::Repeat::Unsafe);
  ASSERT_TRUE(answer && answer->status == 200) << answer->body;
  const Json results = *Json::parse(answer->body);
  const Json::Array& rows = results.find("results")->as_array();
  EXPECT_EQ(error_of(rows[0]), "not_an_allow");
  for (const std::size_t i : {std::size_t{1}, std::size_t{2}}) {
    EXPECT_EQ(*rows[i].find("executed"), Json(true));
    EXPECT_EQ(executed(*rows[i].find("statement")), "already_executed");
  }
}

// Of the user 65534.
class ExecuteByAnother : public testing::TestWithParam<bool> {};

TEST_P(ExecuteByAnother, NeedsTheWordForIt) {
  if (::getuid() != 0) {
    if (std::getenv("CI") != nullptr) FAIL() << "needs root to become another uid";
    GTEST_SKIP() << "needs root to become another uid";
  }
  const bool may = GetParam();
  RunningAppliance appliance(
      {.peers = std::string("  - {uid: 65534, may: [sign:trace") + (may ? ", executed" : "") + "]}\n"});
  const std::string body = body_of(trace_fields("another", "allow"), "one-key");
  const std::string asked = test::as_other_uid(appliance, "POST", "/v1/sign", body);
  const std::string batch = test::as_other_uid(appliance, "POST", "/v1/sign-batch", R"({"requests":[)" + body + "]}");
  if (!may) {
    EXPECT_EQ(asked.substr(0, 3), "403") << asked;
    EXPECT_NE(asked.find("may not executed"), std::string::npos) << asked;
    EXPECT_NE(batch.find("peer_not_permitted"), std::string::npos) << batch;
    EXPECT_EQ(test::as_other_uid(appliance, "POST", "/v1/sign", body_of(trace_fields("another", "allow"), "", false))
                  .substr(0, 3),
              "200");
    return;
  }
  ASSERT_EQ(asked.substr(0, 3), "200") << asked;
  EXPECT_NE(asked.find(R"("executed":true)"), std::string::npos) << asked;
  // A key is its user's: the same request of somebody else is another one, and takes nobody's permit.
  auto http = appliance.http();
  const auto ours = http.post("/v1/sign", body, HttpClient::Repeat::Unsafe);
  ASSERT_TRUE(ours && ours->status == 200);
  EXPECT_NE(ours->body.find(R"("executed":true)"), std::string::npos) << ours->body;
  EXPECT_NE(Json::parse(ours->body)->find("log_index")->as_integer(),
            Json::parse(asked.substr(4))->find("log_index")->as_integer());
}

INSTANTIATE_TEST_SUITE_P(Peers, ExecuteByAnother, testing::Bool());

}  // namespace
}  // namespace countersign::daemon
