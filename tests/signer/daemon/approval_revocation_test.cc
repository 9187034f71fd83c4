// approve revoke, as the signer answers it.
#include "signer/daemon/approval_revocation.h"

#include "common/durable_file.h"
#include "signer/ledger/sqlite_store.h"
#include "tests/signer/daemon/front_fixture.h"

namespace countersign::daemon {
namespace {

using test::trace_fields;

class Revoking : public FrontTest {
 protected:
  static std::string revoke(const std::string& token_id, const std::string& reason = "wrong cluster") {
    const Result<Json> answer = shared->client().revoke_approval(token_id, reason);
    return answer ? "revoked" : answer.error().wire_code();
  }
  static std::string id_of(const Json& token) { return std::string(token.text("token_id")); }
  static bool told(const std::string& event) {
    return test::eventually([&] {
      const Result<std::string> lines = read_file(shared->path("events.jsonl"));
      return lines && lines->find('"' + event + '"') != std::string::npos;
    });
  }
};

TEST_F(Revoking, TakesAnApprovalBackBeforeItIsUsed) {
  signed_trace(trace_fields("taken back", "require_approval", 1));
  const Json alice = approved("alice", "taken back");
  const Result<Json> answer = shared->client().revoke_approval(id_of(alice), "wrong cluster");
  ASSERT_TRUE(answer) << answer.error().detail;
  EXPECT_TRUE(answer->find("revoked")->as_bool());
  EXPECT_EQ(answer->text("token_id"), id_of(alice));
  EXPECT_EQ(answer->text("intent_digest"), test::intent_digest("taken back").hex());
  EXPECT_TRUE(told("token_revoked"));

  const Answer refused = sign_trace(trace_fields("taken back", "allow", 1), {alice});
  EXPECT_EQ(code_of(refused), "approval_token_revoked");
  EXPECT_EQ(std::get<client::Refusal>(refused).error.code, ErrorCode::Conflict);
  ASSERT_EQ(std::get<client::Refusal>(refused).tokens.size(), 1u);
  EXPECT_EQ(std::get<client::Refusal>(refused).tokens.front().code, "approval_token_revoked");
  EXPECT_TRUE(told("revoked_token_used"));
  EXPECT_EQ(revoke(id_of(alice)), "approval_token_revoked");

  // Another approval of the same intent counts as before.
  const Json bob = approved("bob", "taken back");
  EXPECT_EQ(code_of(sign_trace(trace_fields("taken back", "allow", 1), {alice, bob})), "signed");
}

TEST_F(Revoking, DoesNotPretendToTakeBackWhatWasUsed) {
  signed_trace(trace_fields("used", "require_approval", 1));
  const Json alice = approved("alice", "used");
  ASSERT_EQ(code_of(sign_trace(trace_fields("used", "allow", 1), {alice})), "signed");
  EXPECT_EQ(revoke(id_of(alice)), "approval_token_consumed");
}

TEST_F(Revoking, KnowsOnlyWhatThisSignerMintedAndWantsAReason) {
  EXPECT_EQ(revoke("0123456789abcdef01234567"), "token_unknown");
  EXPECT_EQ(revoke(""), "token_unknown");
  signed_trace(trace_fields("reason", "require_approval", 1));
  const Json alice = approved("alice", "reason");
  EXPECT_EQ(revoke(id_of(alice), ""), "invalid");
  EXPECT_EQ(revoke(id_of(alice), "  "), "invalid");
  EXPECT_EQ(revoke(id_of(alice), std::string(501, 'x')), "invalid");
  EXPECT_EQ(code_of(sign_trace(trace_fields("reason", "allow", 1), {alice})), "signed");
}

TEST_F(Revoking, HoldsOverARestart) {
  signed_trace(trace_fields("restart", "require_approval", 1));
  const Json alice = approved("alice", "restart");
  ASSERT_EQ(revoke(id_of(alice)), "revoked");
  shared->stop();
  {
    const SystemClock clock;
    const auto store = ledger::SqliteStore::open(shared->path("state/ledger.db"), clock);
    ASSERT_TRUE(store) << store.error().detail;
    EXPECT_EQ((*store)->used_by(id_of(alice))->value_or(""), ledger::kRevokedKind);
    EXPECT_TRUE((*store)->verify());
  }
  shared->start();
  EXPECT_EQ(code_of(sign_trace(trace_fields("restart", "allow", 1), {alice})), "approval_token_revoked");
}

}  // namespace
}  // namespace countersign::daemon
