// The signer from outside: what its callers get, and what they do not get.
#include "signer/daemon/front.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <thread>

#include "common/durable_file.h"
#include "signer/ledger/sqlite_store.h"
#include "tests/signer/daemon/front_fixture.h"

namespace countersign::daemon {
namespace {

using client::Refusal;
using client::Signed;
using client::SignRequest;
using statement::StatementType;
using test::kPolicy;
using test::RunningAppliance;
using test::token_fields;
using test::trace_fields;
using transport::HttpAnswer;
using transport::HttpClient;

class Front : public FrontTest {};

TEST_F(Front, SignsATraceThatEverybodyCanVerifyAndRemembersIt) {
  const Json trace = signed_trace(trace_fields("remember", "block"));
  const auto keys = shared->client().keys();
  ASSERT_TRUE(keys) << keys.error().detail;
  const auto verified = statement::VerifiedDocument::verify(StatementType::Trace, trace, *keys);
  EXPECT_TRUE(verified) << verified.error().detail;
  auto client = shared->client();
  EXPECT_TRUE(client.verify(StatementType::Trace, trace)->find("valid")->as_bool());
  Json changed = trace;
  changed.set("verdict", "allow");
  EXPECT_FALSE(client.verify(StatementType::Trace, changed)->find("valid")->as_bool());
  const auto decision = client.decision(test::intent_digest("remember"), *Digest::parse(kPolicy));
  ASSERT_TRUE(decision && decision->has_value());
  EXPECT_EQ((*decision)->text("verdict"), "block");
  EXPECT_EQ((*decision)->text("requester"), "zoe@team.example");
  EXPECT_NE((*decision)->find("approval"), nullptr);
}

TEST_F(Front, PermitsOneRunForTwoApprovals) {
  signed_trace(trace_fields("runbook", "require_approval", 2));
  const Json alice = approved("alice", "runbook");
  const Json allow = trace_fields("runbook", "allow", 2);
  EXPECT_EQ(code_of(sign_trace(allow)), "approval_token_missing");
  EXPECT_EQ(code_of(sign_trace(allow, {alice})), "approval_chain_insufficient");
  EXPECT_EQ(code_of(sign_trace(allow, {alice, alice})), "approval_chain_insufficient");
  const Json bob = approved("bob", "runbook");
  const Answer permitted = sign_trace(allow, {alice, bob});
  ASSERT_EQ(code_of(permitted), "signed");
  const Signed& permit = std::get<Signed>(permitted);
  EXPECT_EQ(permit.redeemed.size(), 2u);
  const Answer again = sign_trace(allow, {alice, bob});
  EXPECT_EQ(code_of(again), "approval_token_consumed");
  EXPECT_EQ(std::get<Refusal>(again).error.code, ErrorCode::Conflict);
  EXPECT_EQ(std::get<Refusal>(again).tokens.size(), 2u);

  auto client = shared->client();
  EXPECT_TRUE(client.executed(permit.statement));
  const Status twice = client.executed(permit.statement);
  ASSERT_FALSE(twice);
  EXPECT_EQ(twice.error().code, ErrorCode::Conflict);
  EXPECT_EQ(twice.error().wire_code(), "already_executed");
}

TEST_F(Front, RefusesAnAllowWithoutTokensAfterARequirement) {
  EXPECT_EQ(code_of(sign_trace(trace_fields("free", "allow"))), "signed");
  signed_trace(trace_fields("bound", "require_approval", 1));
  EXPECT_EQ(code_of(sign_trace(trace_fields("bound", "allow"))), "approval_required_before");
}

TEST_F(Front, MarksOnlyAnAllowOfItsOwnAsExecuted) {
  auto client = shared->client();
  const Json block = signed_trace(trace_fields("executed", "block"));
  EXPECT_EQ(client.executed(block).error().wire_code(), "not_an_allow");
  Json allow = signed_trace(trace_fields("executed allow", "allow"));
  Json forged = allow;
  forged.set("tool_name", "db.other");
  EXPECT_FALSE(client.executed(forged));
  EXPECT_TRUE(client.executed(allow));
}

TEST_F(Front, MintsOnlyForAPendingRequestAndAProvenApprover) {
  EXPECT_EQ(code_of(approve("alice", token_fields("nothing pending", "alice"))), "no_pending_request");
  signed_trace(trace_fields("mint", "require_approval", 1));
  EXPECT_EQ(code_of(approve("mallory", token_fields("mint", "alice"))), "approval_proof_invalid");
  EXPECT_EQ(code_of(approve("mallory", token_fields("mint", "mallory"))), "approver_not_in_roster");
  Json wide = token_fields("mint", "alice");
  wide.set("scope", Json::array({"tool:other"}));
  EXPECT_EQ(code_of(approve("alice", wide)), "approver_scope_refused");
  EXPECT_EQ(code_of(approve("alice", token_fields("mint", "alice", 25 * 3600))), "ttl_over_limit");
  EXPECT_EQ(code_of(approve("alice", token_fields("mint", "alice"))), "signed");
}

TEST_F(Front, UsesAChallengeOnce) {
  signed_trace(trace_fields("nonce", "require_approval", 1));
  const Json fields = token_fields("nonce", "alice");
  SignRequest request{StatementType::ApprovalToken, fields, {}, shared->ssh_proof("alice", fields), {}, ""};
  EXPECT_EQ(code_of(*shared->client().sign(request)), "signed");
  EXPECT_EQ(code_of(*shared->client().sign(request)), "nonce_unknown");
}

TEST_F(Front, RefusesAWildcardAndTellsTheSecurityOwner) {
  signed_trace(trace_fields("wildcard", "require_approval", 1));
  Json wildcard = token_fields("wildcard", "alice");
  wildcard.set("scope", Json::array({"*"}));
  SignRequest request{StatementType::ApprovalToken, wildcard, {}, Json::object({{"kind", "unix_user"}}), {}, ""};
  EXPECT_EQ(code_of(*shared->client().sign(request)), "scope_wildcard");
  EXPECT_TRUE(test::eventually([] {
    const Result<std::string> told = read_file(shared->path("events.jsonl"));
    return told && told->find("scope_wildcard") != std::string::npos;
  }));
}

TEST_F(Front, KeepsTheIntentItWasShownAndRefusesAnother) {
  SignRequest request{StatementType::Trace, trace_fields("kept", "require_approval", 1), {}, {}, {}, ""};
  request.intent = Json::object({{"digest_form", test::digest_form("other")}, {"document", Json::object({{"a", 1}})}});
  EXPECT_EQ(code_of(*shared->client().sign(request)), "intent_digest_mismatch");
  request.intent = Json::object({{"digest_form", test::digest_form("kept")}, {"document", Json::object({{"a", 1}})}});
  EXPECT_EQ(code_of(*shared->client().sign(request)), "signed");
  auto client = shared->client();
  const auto document = client.request_document(test::intent_digest("kept"));
  ASSERT_TRUE(document) << document.error().detail;
  EXPECT_EQ(*document->find("document"), Json::object({{"a", 1}}));
  const auto pending = client.requests();
  ASSERT_TRUE(pending);
  EXPECT_NE(pending->compact().find(test::intent_digest("kept").hex()), std::string::npos);
}

TEST_F(Front, AnswersARepeatedRequestFromTheRecord) {
  const Json fields = trace_fields("idempotent", "block");
  const Answer first = sign_trace(fields, {}, "run-1");
  const Answer second = sign_trace(fields, {}, "run-1");
  ASSERT_EQ(code_of(first), "signed");
  ASSERT_EQ(code_of(second), "signed");
  EXPECT_EQ(std::get<Signed>(first).statement, std::get<Signed>(second).statement);
  EXPECT_EQ(std::get<Signed>(first).log_index, std::get<Signed>(second).log_index);
  EXPECT_EQ(code_of(sign_trace(trace_fields("another", "block"), {}, "run-1")), "idempotency_mismatch");
}

TEST_F(Front, ReplaysAStatementThatSpellsThePlaceholderOfTheLogIndex) {
  Json fields = trace_fields("placeholder", "block");
  fields.set("correlation_id", "%LOG_INDEX%");
  const Answer first = sign_trace(fields, {}, "run-placeholder");
  const Answer second = sign_trace(fields, {}, "run-placeholder");
  ASSERT_EQ(code_of(first), "signed");
  EXPECT_EQ(std::get<Signed>(first).statement, std::get<Signed>(second).statement);
  EXPECT_EQ(std::get<Signed>(second).statement.text("correlation_id"), "%LOG_INDEX%");
}

TEST_F(Front, TakesABatchApartAndLetsTheFirstHaveTheToken) {
  signed_trace(trace_fields("batch", "require_approval", 1));
  const Json token = approved("alice", "batch");
  const Json allow = Json::object(
      {{"type", "trace"}, {"statement", trace_fields("batch", "allow", 1)}, {"redeem", Json::Array{token}}});
  const Json wrong = Json::object({{"type", "trace"}, {"statement", Json::object({{"verdict", "allow"}})}});
  const Json body = Json::object({{"requests", Json::Array{wrong, allow, allow}}});
  auto http = shared->http();
  const auto answer = http.post("/v1/sign-batch", body.compact(), HttpClient::Repeat::Unsafe);
  ASSERT_TRUE(answer && answer->status == 200) << answer->body;
  const Json results = *Json::parse(answer->body);
  const Json::Array& rows = results.find("results")->as_array();
  ASSERT_EQ(rows.size(), 3u);
  EXPECT_FALSE(rows[0].find("ok")->as_bool());
  EXPECT_TRUE(rows[1].find("ok")->as_bool());
  EXPECT_FALSE(rows[2].find("ok")->as_bool());
  EXPECT_EQ(rows[2].find("error")->text("code"), "approval_token_consumed");
}

struct BadBody {
  const char* name;
  std::string body;
  int status;
  const char* code;
};
class FrontBody : public Front, public testing::WithParamInterface<BadBody> {};

TEST_P(FrontBody, IsRefusedByTheStrictReading) {
  auto http = shared->http();
  const auto answer = http.post("/v1/sign", GetParam().body, HttpClient::Repeat::Unsafe);
  ASSERT_TRUE(answer) << answer.error().detail;
  EXPECT_EQ(answer->status, GetParam().status) << answer->body;
  EXPECT_EQ(Json::parse(answer->body)->find("error")->text("code"), GetParam().code) << answer->body;
}

std::string with(const std::string& name, Json value) {
  Json body = Json::object({{"type", "trace"}, {"statement", trace_fields("bad body", "block")}});
  body.set(name, std::move(value));
  return body.compact();
}

INSTANTIATE_TEST_SUITE_P(
    Bodies, FrontBody,
    testing::Values(
        BadBody{"empty", "", 400, "invalid"}, BadBody{"no_json", "hello", 400, "invalid"},
        BadBody{"array", "[]", 400, "invalid"},
        BadBody{"repeated_member", R"({"type":"trace","type":"trace","statement":{}})", 400, "repeated_member"},
        BadBody{"unknown_member", with("other", 1), 400, "unknown_member"},
        BadBody{"unknown_type", R"({"type":"poem","statement":{}})", 404, "unknown_type"},
        BadBody{"unknown_algorithm", with("algorithm", "rsa"), 404, "unknown_algorithm"},
        BadBody{"mistyped_algorithm", with("algorithm", 1), 400, "invalid"},
        BadBody{"unavailable_algorithm", with("algorithm", "p256"), 404, "algorithm_unavailable"},
        BadBody{"deep", std::string(100, '[') + std::string(100, ']'), 400, "invalid"},
        BadBody{"bad_utf8", "{\"type\":\"\xff\"}", 400, "invalid_utf8"},
        BadBody{"proof_for_a_trace", with("proof", Json::object({})), 400, "invalid"},
        BadBody{"redeem_without_allow", with("redeem", Json::Array{Json::object({})}), 400, "redeem_without_allow"},
        BadBody{"key_with_spaces", with("idempotency_key", "a b"), 400, "invalid"}),
    [](const testing::TestParamInfo<BadBody>& info) { return std::string(info.param.name); });

TEST_F(Front, ServesKeysHealthAndMetricsWhereTheyBelong) {
  auto sign = shared->http();
  auto open = shared->http("public");
  auto admin = shared->http("admin");
  const auto keys = open.get("/v1/keys");
  ASSERT_TRUE(keys && keys->status == 200);
  EXPECT_FALSE(keys->etag.empty());
  const Json set = *Json::parse(keys->body);
  const std::string kid(set.find("keys")->as_array().front().text("kid"));
  EXPECT_EQ(open.get("/v1/keys/" + kid)->status, 200);
  EXPECT_EQ(open.get("/v1/keys/none")->status, 404);
  EXPECT_EQ(open.get("/.well-known/jwks.json")->status, 200);
  EXPECT_EQ(sign.get("/healthz")->status, 200);
  EXPECT_EQ(sign.get("/readyz")->status, 200);
  const auto metrics = sign.get("/metrics");
  ASSERT_EQ(metrics->status, 200);
  EXPECT_NE(metrics->body.find("countersign_holders{role=\"trace\"} 1"), std::string::npos) << metrics->body;
  EXPECT_EQ(open.get("/metrics")->status, 404);
  EXPECT_EQ(open.post("/v1/sign", "{}", HttpClient::Repeat::Unsafe)->status, 404);
  EXPECT_EQ(sign.get("/v1/status")->status, 404);
  EXPECT_EQ(sign.get("/v1/sign")->status, 405);
  const Json status = *Json::parse(admin.get("/v1/status")->body);
  EXPECT_TRUE(status.find("ready")->as_bool());
  EXPECT_EQ(status.find("holders")->as_array().size(), 3u);
  EXPECT_EQ(status.text("separation"), "one uid");
  EXPECT_EQ(admin.post("/v1/time/reset", "{}", HttpClient::Repeat::Unsafe)->status, 200);
}

TEST_F(Front, RefusesAUidThatMayNotAndRecordsIt) {
  if (::getuid() != 0) {
    if (std::getenv("CI") != nullptr) FAIL() << "needs root to become another uid";
    GTEST_SKIP() << "needs root to become another uid";
  }
  const std::string body =
      Json::object({{"type", "trace"}, {"statement", trace_fields("other uid", "block")}}).compact();
  const std::string refused = test::as_other_uid(*shared, "POST", "/v1/sign", body);
  EXPECT_EQ(refused.substr(0, 3), "403") << refused;
  EXPECT_NE(refused.find("peer_not_permitted"), std::string::npos) << refused;
  EXPECT_EQ(test::as_other_uid(*shared, "GET", "/v1/nonce", "").substr(0, 3), "403");
  EXPECT_EQ(test::as_other_uid(*shared, "GET", "/v1/keys", "").substr(0, 3), "200");
  EXPECT_TRUE(test::eventually([] {
    const Result<std::string> told = read_file(shared->path("events.jsonl"));
    return told && told->find("peer_not_permitted") != std::string::npos;
  }));
}

// Load from several connections, each until `stop`; counts every kind of end.
struct Load {
  std::atomic<bool> stop = false;
  std::atomic<int> good = 0;
  std::atomic<int> coded = 0;
  std::atomic<int> silent = 0;
  std::vector<std::thread> threads;

  Load(const std::string& socket, int connections) {
    for (int i = 0; i < connections; ++i) {
      threads.emplace_back([this, socket, i] {
        HttpClient http(socket);
        for (int n = 0; !stop; ++n) {
          const std::string body =
              Json::object(
                  {{"type", "trace"},
                   {"statement", trace_fields("load " + std::to_string(i) + "/" + std::to_string(n), "block")}})
                  .compact();
          const auto answer = http.post("/v1/sign", body, HttpClient::Repeat::Unsafe);
          if (!answer) {
            ++silent;
          } else if (answer->status == 200) {
            ++good;
          } else {
            const Result<Json> error = Json::parse(answer->body);
            ++(error && error->find("error") != nullptr ? coded : silent);
          }
        }
      });
    }
  }
  void end() {
    stop = true;
    for (std::thread& each : threads) each.join();
  }
};

TEST(FrontUnderLoad, AnswersEveryRequestWhileHoldersAreKilled) {
  RunningAppliance appliance({.trace_holders = 2});
  Load load(appliance.socket(), 8);
  for (int round = 0; round < 4; ++round) {
    const int before = load.good;
    ASSERT_TRUE(test::eventually([&] { return load.good > before + 50; })) << "round " << round;
    const std::vector<pid_t> holders = appliance.holders("trace");
    ASSERT_FALSE(holders.empty());
    ::kill(holders.front(), SIGKILL);
  }
  const int before = load.good;
  EXPECT_TRUE(test::eventually([&] { return load.good > before + 50; }));
  load.end();
  EXPECT_EQ(load.silent, 0);
  appliance.stop();
  const SystemClock clock;
  const auto store = ledger::SqliteStore::open(appliance.path("state/ledger.db"), clock);
  ASSERT_TRUE(store) << store.error().detail;
  EXPECT_GE((*store)->head().size, static_cast<std::uint64_t>(load.good));
}

TEST(FrontUnderLoad, KeepsOtherRolesServedWhileAHolderHangs) {
  RunningAppliance appliance({.extra = "limits: {sign_deadline: 1s}\n"});
  const std::vector<pid_t> approval = appliance.holders("approval");
  ASSERT_EQ(approval.size(), 1u);
  ::kill(approval.front(), SIGSTOP);
  auto client = appliance.client();
  EXPECT_TRUE(client.sign({StatementType::Trace, trace_fields("while hung", "require_approval", 1), {}, {}, {}, ""}));
  const Json fields = token_fields("while hung", "alice");
  const auto caught =
      client.sign({StatementType::ApprovalToken, fields, {}, appliance.ssh_proof("alice", fields), {}, ""});
  ASSERT_FALSE(caught);
  EXPECT_EQ(caught.error().code, ErrorCode::Unavailable);
  EXPECT_EQ(caught.error().wire_code(), "sign_deadline");
  EXPECT_TRUE(test::eventually([&] {
    const auto again =
        client.sign({StatementType::ApprovalToken, fields, {}, appliance.ssh_proof("alice", fields), {}, ""});
    return again && std::holds_alternative<Signed>(*again);
  }));
}

TEST(FrontLimits, BoundAPeerButNotTheQuestionWhetherTheSignerLives) {
  RunningAppliance appliance({.extra = "limits: {requests_per_second: 1, burst: 3}\n"});
  auto http = appliance.http();
  EXPECT_EQ(http.get("/v1/nonce")->status, 200);
  Result<HttpAnswer> over = http.get("/v1/nonce");
  for (int i = 0; i < 200 && over && over->status == 200; ++i) over = http.get("/v1/nonce");
  ASSERT_TRUE(over);
  EXPECT_EQ(over->status, 429);
  EXPECT_FALSE(over->retry_after.empty());
  EXPECT_EQ(http.get("/readyz")->status, 200);
}

TEST(FrontStart, RefusesALedgerThatIsMissingOrOlderThanItsAnchors) {
  RunningAppliance appliance;
  const std::string ledger = appliance.path("state/ledger.db");
  appliance.stop();
  std::filesystem::copy_file(ledger, appliance.path("old.db"));
  appliance.start();
  ASSERT_TRUE(appliance.client().sign({StatementType::Trace, trace_fields("newer", "block"), {}, {}, {}, ""}));
  appliance.stop();

  std::filesystem::rename(ledger, appliance.path("new.db"));
  for (const char* suffix : {"-wal", "-shm"}) std::filesystem::remove(ledger + suffix);
  const test::Outcome missing = appliance.start_failing();
  EXPECT_EQ(missing.exit_code, 3);
  EXPECT_NE((missing.out + missing.err).find("ledger"), std::string::npos) << missing.out << missing.err;
  EXPECT_FALSE(std::filesystem::exists(ledger));

  std::filesystem::copy_file(appliance.path("old.db"), ledger);
  const test::Outcome old = appliance.start_failing();
  EXPECT_EQ(old.exit_code, 3) << old.out << old.err;

  std::filesystem::remove(ledger);
  for (const char* suffix : {"-wal", "-shm"}) std::filesystem::remove(ledger + suffix);
  std::filesystem::rename(appliance.path("new.db"), ledger);
  appliance.start();
}

}  // namespace
}  // namespace countersign::daemon
