#include "gate/evidence/delegation.h"

#include <gtest/gtest.h>

#include "tests/gate/signed_statement.h"

namespace countersign::gate {
namespace {

using keymgmt::Algorithm;
using keymgmt::Role;

const UtcTime kNow = *UtcTime::parse("2026-11-22T04:30:00Z");
const std::string kOtherDigest(64, 'a');

class Delegations : public testing::Test {
 protected:
  Delegations() : keys_(1, kNow, {test::published(key_, Role::Approval), test::published(trace_key_, Role::Trace)}) {}

  struct Wish {
    std::string delegator = "lead";
    std::string delegate = "mid";
    std::string scope = "write";
    std::string intent;
    std::string policy;
    int ttl = 3600;
    int id = 1;
  };
  Json token(const Wish& wish) { return token(wish, key_); }
  static Json token(const Wish& wish, const test::SoftwareKey& key) {
    Json fields = Json::object({{"delegator_identity", wish.delegator},
                                {"delegate_identity", wish.delegate},
                                {"scope", Json::array({wish.scope})},
                                {"ttl_seconds", wish.ttl}});
    if (!wish.intent.empty()) fields.set("intent_digest", wish.intent);
    if (!wish.policy.empty()) fields.set("policy_digest", wish.policy);
    std::string id(24, '0');
    id.back() = static_cast<char>('0' + wish.id);
    return test::signed_statement(statement::StatementType::DelegationToken, fields, key, kNow, id);
  }

  static Intent intent(const std::string& delegation) {
    return *Intent::parse(R"({"tool_name":"db.write","context":{"identity":"zoe","workspace":"/w","risk_class":"low"},
      "delegation":)" + delegation +
                          "}");
  }
  static Intent chained() {
    return intent(R"({"requester_identity":"agent-1","scope_class":"write","chain":[
      {"delegator_identity":"lead","delegate_identity":"mid","scope_class":"write"},
      {"delegator_identity":"mid","delegate_identity":"agent-1"}]})");
  }

  DelegationJudgement judge(const std::vector<Json>& tokens, const Intent& intent, UtcTime now = kNow,
                            bool wildcard = false) {
    return judge_delegations(tokens, intent, intent.intent_digest(), sha256("policy"), DelegationRules{keys_, wildcard},
                             now);
  }
  // The code of the only token, presented for lead → mid.
  std::string code(const Json& token, UtcTime now = kNow) {
    const DelegationDemand demand{"lead", "mid", {"write", "admin"}, sha256("intent").hex(), sha256("policy").hex()};
    const DelegationEntry entry = judge_delegation(token, demand, DelegationRules{keys_}, now).entry;
    EXPECT_EQ(entry.valid, entry.error_code.empty());
    return entry.error_code;
  }

  test::SoftwareKey key_{Algorithm::Ed25519};
  test::SoftwareKey trace_key_{Algorithm::Ed25519};
  keymgmt::KeySet keys_;
};

TEST_F(Delegations, CountOnlyForWhatTheySay) {
  const Json good = token({});
  EXPECT_EQ(code(good), "");
  const std::string intent = sha256("intent").hex();
  EXPECT_EQ(code(token({.intent = intent, .policy = sha256("policy").hex()})), "");
  EXPECT_EQ(code(token({.delegator = "boss"})), "delegation_token_delegator_mismatch");
  EXPECT_EQ(code(token({.delegate = "other"})), "delegation_token_delegate_mismatch");
  EXPECT_EQ(code(token({.scope = "read"})), "delegation_token_scope_mismatch");
  EXPECT_EQ(code(token({.intent = kOtherDigest})), "delegation_token_intent_mismatch");
  EXPECT_EQ(code(token({.policy = kOtherDigest})), "delegation_token_policy_mismatch");
  EXPECT_EQ(code(good, kNow + std::chrono::hours(1) - std::chrono::nanoseconds(1)), "");
  EXPECT_EQ(code(good, kNow + std::chrono::hours(1)), "delegation_token_expired");
}

TEST_F(Delegations, CountOnlyWhereTheApprovalRoleSignedThem) {
  EXPECT_EQ(code(token({}, trace_key_)), "delegation_token_signature_invalid");
  EXPECT_EQ(code(token({}, test::SoftwareKey(Algorithm::Ed25519))), "delegation_token_signature_invalid");
  Json bare = token({});
  bare.erase("signature");
  EXPECT_EQ(code(bare), "delegation_token_signature_missing");
  Json widened = token({});
  widened.set("scope", Json::array({"admin", "write"}));
  EXPECT_EQ(code(widened), "delegation_token_signature_invalid");
  Json broken = token({});
  broken.set("scope", Json::array({}));
  EXPECT_EQ(code(broken), "delegation_token_invalid");
  EXPECT_EQ(code(Json::array({"no", "token"})), "delegation_token_invalid");
}

TEST_F(Delegations, CoverAChainLinkByLink) {
  const Intent wanted = chained();
  const Json first = token({});
  const Json second = token({.delegator = "mid", .delegate = "agent-1", .id = 2});
  for (const std::vector<Json>& tokens : {std::vector<Json>{first, second}, std::vector<Json>{second, first}}) {
    const DelegationJudgement judged = judge(tokens, wanted);
    EXPECT_TRUE(judged.complete);
    EXPECT_EQ(judged.valid, 2);
    EXPECT_EQ(judged.delegation_ref, "000000000000000000000001,000000000000000000000002");
    EXPECT_EQ(judged.reason_codes, std::vector<std::string>{"delegation_granted"});
  }
}

TEST_F(Delegations, MissingForALinkDoNotSuffice) {
  const DelegationJudgement none = judge({}, chained());
  EXPECT_FALSE(none.complete);
  EXPECT_EQ(none.reason_codes, std::vector<std::string>{"delegation_token_missing"});
  EXPECT_TRUE(none.entries.empty());

  const DelegationJudgement half = judge({token({})}, chained());
  EXPECT_FALSE(half.complete);
  EXPECT_EQ(half.valid, 1);
  EXPECT_EQ(half.delegation_ref, "");
  EXPECT_EQ(half.reason_codes, (std::vector<std::string>{"delegation_chain_insufficient", "delegation_token_missing"}));

  // One token is one link, however often it would fit.
  const DelegationJudgement twice = judge({token({}), token({})}, chained());
  EXPECT_EQ(twice.valid, 1);
  EXPECT_FALSE(twice.complete);
  ASSERT_EQ(twice.entries.size(), 3U);
}

TEST_F(Delegations, BeyondTheChainAreNamedButHarmNothing) {
  const DelegationJudgement judged = judge(
      {token({}), token({.delegator = "mid", .delegate = "agent-1", .id = 2}), token({.delegator = "x", .id = 3})},
      chained());
  EXPECT_TRUE(judged.complete);
  EXPECT_EQ(judged.valid, 2);
  EXPECT_EQ(judged.entries.back().error_code, "delegation_token_chain_mismatch");
}

TEST_F(Delegations, WithoutAChainReachTheRequester) {
  const Intent bare = intent(R"({"requester_identity":"agent-1","scope_class":"write"})");
  EXPECT_TRUE(judge({token({.delegate = "agent-1"})}, bare).complete);
  EXPECT_FALSE(judge({token({})}, bare).complete);
  EXPECT_FALSE(judge({token({.delegate = "agent-1", .scope = "read"})}, bare).complete);
}

TEST_F(Delegations, OfAWildcardCountOnlyWhereGaitIsReproduced) {
  // No signer of ours mints one; a key file may have.
  Json wild = token({.delegate = "agent-1"});
  wild.erase("signature");
  wild.set("scope", Json::array({"*"}));
  const Digest digest = wild.digest();
  wild.set("signature", Json::object({{"alg", "ed25519"},
                                      {"key_id", key_.public_key().gait_key_id()},
                                      {"sig", to_base64(key_.sign(digest.bytes()))},
                                      {"signed_digest", digest.hex()}}));
  const Intent bare = intent(R"({"requester_identity":"agent-1","scope_class":"write"})");
  EXPECT_FALSE(judge({wild}, bare).complete);
  EXPECT_TRUE(judge({wild}, bare, kNow, true).complete);
}

TEST(DelegationTokenId, IsGaits) {
  // Recorded: t1.json of case 152.
  const Json token = Json::object({{"delegator_identity", "lead"},
                                   {"delegate_identity", "mid"},
                                   {"scope", Json::array({"write"})},
                                   {"scope_class", "write"},
                                   {"expires_at", "2076-11-09T04:23:00.051662611Z"}});
  EXPECT_EQ(delegation_token_id(token), "d82b3f1291b486562378ddf0");
}

}  // namespace
}  // namespace countersign::gate
