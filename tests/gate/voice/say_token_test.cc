#include "gate/voice/say_token.h"

#include <gtest/gtest.h>

#include "gate/intent/intent.h"
#include "gate/voice/commitment.h"
#include "tests/gate/signed_statement.h"

namespace countersign::gate {
namespace {

using keymgmt::Role;
using statement::StatementType;

const UtcTime kNow = *UtcTime::parse("2026-11-22T04:30:00Z");

Commitment commitment() {
  return *Commitment::parse(*Json::parse(R"({"created_at":"2026-11-22T04:29:00Z","call_id":"call-1","turn_index":2,
    "call_seq":5,"commitment_class":"quote","currency":"EUR","quote_max_cents":2200,
    "context":{"identity":"agent.voice","workspace":"/srv/voice","risk_class":"high"}})"));
}

class SayTokens : public testing::Test {
 protected:
  SayTokens() : keys_(1, kNow, {test::published(key_, Role::Trace), test::published(approval_key_, Role::Approval)}) {}

  static Json token(const test::SoftwareKey& key) {
    const Commitment said = commitment();
    const Intent intent = *Intent::parse(said.intent_document());
    Json fields{Json::Object{}};
    statement::put_spoken(said.say_token(intent.intent_digest(), sha256("policy"), {}), fields);
    fields.set("ttl_seconds", 120);
    return test::signed_statement(StatementType::SayToken, fields, key, kNow);
  }
  std::string code(const Json& token, const SayDemand& demand = {}, UtcTime now = kNow) {
    const JudgedSayToken judged = judge_say_token(token, demand, keys_, now);
    EXPECT_EQ(judged.code.empty(), judged.text.empty());
    return judged.code;
  }

  test::SoftwareKey key_{keymgmt::Algorithm::P256};
  test::SoftwareKey approval_key_{keymgmt::Algorithm::Ed25519};
  test::SoftwareKey unknown_key_{keymgmt::Algorithm::Ed25519};
  keymgmt::KeySet keys_;
};

TEST_F(SayTokens, CountOnlyFromKeysOfTheTraceRole) {
  EXPECT_EQ(code(token(key_)), "");
  EXPECT_EQ(code(token(approval_key_)), "say_token_signature_invalid");
  EXPECT_EQ(code(token(unknown_key_)), "say_token_signature_invalid");
}

TEST_F(SayTokens, CountUntilTheyExpireForWhatTheySay) {
  const Json good = token(key_);
  const std::string intent = Intent::parse(commitment().intent_document())->intent_digest().hex();
  EXPECT_EQ(code(good, {intent, sha256("policy").hex(), "call-1", 2, 5, "quote"}), "");
  EXPECT_EQ(code(good, {.turn_index = 0}), "say_token_call_binding_mismatch");
  EXPECT_EQ(code(good, {}, kNow + std::chrono::seconds(119)), "");
  EXPECT_EQ(code(good, {}, kNow + std::chrono::seconds(120)), "say_token_expired");
}

TEST_F(SayTokens, AreNoOtherDocument) {
  Json renamed = token(key_);
  renamed.set("schema_id", "gait.gate.approval_token");
  EXPECT_EQ(code(renamed), "say_token_invalid");
  EXPECT_FALSE(statement::VerifiedDocument::verify(StatementType::ApprovalToken, token(approval_key_), keys_));
}

// A commitment that is written down again reads as itself: a call pack keeps its normal form.
TEST(Commitments, AreTheirOwnNormalForm) {
  const Json written = commitment().json();
  const Result<Commitment> again = Commitment::parse(written);
  ASSERT_TRUE(again) << again.error().detail;
  EXPECT_EQ(again->json().compact(), written.compact());
}

}  // namespace
}  // namespace countersign::gate
