#include "signer/daemon/say_rules.h"

#include <gtest/gtest.h>

#include "tests/signer/daemon/rules_fixture.h"

namespace countersign::daemon {
namespace {

using statement::Statement;
using statement::StatementType;
using statement::Verdict;
using std::chrono::minutes;

class SayRulesTest : public RulesFixture {
 protected:
  static Json form() {
    return *Json::parse(R"({"tool_name":"voice.commitment.refund","args":{"call_id":"call-1","turn_index":0,
      "call_seq":5,"commitment_class":"refund","currency":"EUR","refund_ceiling_cents":5000},"targets":[],
      "context":{"identity":"agent.voice","workspace":"/srv/voice","risk_class":"high"}})");
  }
  static Json asked() {
    return Json::object({{"commitment_class", "refund"},
                         {"intent_digest", form().digest().hex()},
                         {"policy_digest", sha256("policy").hex()},
                         {"call_id", "call-1"},
                         {"turn_index", 0},
                         {"call_seq", 5},
                         {"currency", "EUR"},
                         {"refund_ceiling_cents", 5000},
                         {"ttl_seconds", 120}});
  }
  void decide(Verdict verdict, bool with_intent = true) {
    commit([&](ledger::Item& item) {
      item.decision.emplace();
      item.decision->intent_digest = form().digest();
      item.decision->policy_digest = sha256("policy");
      item.decision->verdict = verdict;
      item.decision->trace_digest = sha256("trace");
      if (!with_intent) return;
      item.intent = ledger::IntentDocument{form().digest(),
                                           Json::object({{"digest_form", form()}, {"document", form()}}).compact()};
    });
  }
  std::string judge(const Json& fields) {
    const auto parsed = Statement::parse(StatementType::SayToken, JsonTree(fields));
    if (!parsed) return "unreadable: " + parsed.error().detail;
    const auto judged = SayRules(config_, *store_).judge(*parsed->say_token(), clock_.now());
    if (const Refusal* refusal = std::get_if<Refusal>(&judged)) return refusal->error.wire_code();
    EXPECT_EQ(std::get<Digest>(judged), sha256("trace"));
    return "granted";
  }
};

TEST_F(SayRulesTest, GrantWhatWasAllowedAMomentAgo) {
  EXPECT_EQ(judge(asked()), "no_allowed_decision");
  decide(Verdict::Allow);
  EXPECT_EQ(judge(asked()), "granted");
  clock_.advance(minutes(5));
  EXPECT_EQ(judge(asked()), "granted");
  clock_.advance(std::chrono::seconds(1));
  EXPECT_EQ(judge(asked()), "permit_expired");
}

TEST_F(SayRulesTest, RefuseAnAllowOfTheFuture) {
  decide(Verdict::Allow);
  clock_.advance(-config_.limits.clock_step);
  EXPECT_EQ(judge(asked()), "granted");
  clock_.advance(-std::chrono::seconds(1));
  EXPECT_EQ(judge(asked()), "permit_future");
}

TEST_F(SayRulesTest, RefuseWhatTheLatestDecisionDoesNotAllow) {
  for (const Verdict verdict : {Verdict::Block, Verdict::RequireApproval, Verdict::DryRun}) {
    decide(Verdict::Allow);
    ASSERT_EQ(judge(asked()), "granted");
    decide(verdict);
    EXPECT_EQ(judge(asked()), "no_allowed_decision") << statement::name_of(verdict);
  }
}

TEST_F(SayRulesTest, RefuseOtherWordsThanThoseThatWereAllowed) {
  decide(Verdict::Allow);
  const std::pair<std::string_view, Json> changes[] = {
      {"call_id", "call-2"},       {"turn_index", 1},     {"call_seq", 6},        {"commitment_class", "quote"},
      {"currency", "USD"},         {"currency", ""},      {"quote_max_cents", 1}, {"refund_ceiling_cents", 5001},
      {"refund_ceiling_cents", 0}, {"quote_min_cents", 1}};
  for (const auto& [name, value] : changes) {
    Json fields = asked();
    fields.set(name, value);
    if (name == "quote_min_cents") fields.set("quote_max_cents", 1);
    EXPECT_EQ(judge(fields), "say_token_mismatch") << name;
  }
  Json fields = asked();
  fields.set("policy_digest", sha256("another").hex());
  EXPECT_EQ(judge(fields), "no_allowed_decision");
}

TEST_F(SayRulesTest, RefuseAnAllowWhoseIntentNobodyRecorded) {
  decide(Verdict::Allow, false);
  EXPECT_EQ(judge(asked()), "say_token_mismatch");
}

TEST_F(SayRulesTest, RefuseATokenThatOutlivesAPermit) {
  decide(Verdict::Allow);
  Json fields = asked();
  fields.set("ttl_seconds", 300);
  EXPECT_EQ(judge(fields), "granted");
  fields.set("ttl_seconds", 301);
  EXPECT_EQ(judge(fields), "ttl_over_limit");
}

TEST_F(SayRulesTest, AreAskedOnlyAboutTokensThatRead) {
  const std::pair<std::string_view, Json> changes[] = {
      {"call_seq", 0},        {"turn_index", -1},  {"commitment_class", "promise"},
      {"call_id", " call-1"}, {"currency", "eur"}, {"refund_ceiling_cents", -1},
      {"ttl_seconds", 0},     {"token_id", "0"}};
  for (const auto& [name, value] : changes) {
    Json fields = asked();
    fields.set(name, value);
    EXPECT_EQ(judge(fields).substr(0, 11), "unreadable:") << name;
  }
}

}  // namespace
}  // namespace countersign::daemon
