// What counts as evidence of context, and the four reasons for which it does not.
#include <gtest/gtest.h>

#include <string>

#include "gate/context/context_evidence.h"
#include "gate/decision/evaluate.h"

namespace countersign::gate {
namespace {

constexpr const char* kPolicy = R"(
rules:
- name: change
  effect: require_approval
  match: {tool_names: [db.drop]}
  require_context_evidence: true
  max_context_age_seconds: 300
)";
constexpr const char* kDigest = "eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee";

std::string intent_with(const std::string& context_members) {
  return R"({"tool_name":"db.drop","args":{},"context":{"identity":"agent","workspace":"/w","risk_class":"high")" +
         context_members + "}}";
}

std::string claims(const std::string& mode, const std::string& age) {
  return std::string(R"(,"context_set_digest":")") + kDigest + R"(","context_evidence_mode":")" + mode +
         R"(","context_refs":["r1"],"auth_context":{"context_age_seconds":)" + age + "}";
}

constexpr const char* kEnvelope = R"({"schema_id":"gait.context.envelope","schema_version":"1.0.0",
  "created_at":"2026-06-15T12:00:00Z","context_set_id":"set","evidence_mode":"required","records":[
  {"ref_id":"r1","source_type":"ticket","source_locator":"t://1","redaction_mode":"reference",
   "query_digest":"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
   "content_digest":"bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb",
   "retrieved_at":"2026-06-15T12:00:00Z"}]})";

JudgedIntent judged(const std::string& intent, ContextTrust trust, bool envelope, const char* now,
                    AgeInDigest age = AgeInDigest::Left) {
  std::optional<ContextEnvelope> evidence;
  if (envelope) evidence = *ContextEnvelope::parse(std::string_view(kEnvelope));
  return *with_context(*Intent::parse(intent), evidence, trust, age, *UtcTime::parse(now));
}

struct Case {
  const char* name;
  std::string intent;
  ContextTrust trust;
  bool envelope;
  const char* now;
  std::vector<std::string> reasons;  // beside the rule's own; empty: approval is required
};

TEST(ContextRequirement, NamesEachReasonFromEnvelopeAndFromClaims) {
  const char* kFresh = "2026-06-15T12:05:00Z";
  const char* kStale = "2026-06-15T12:05:01Z";
  const std::vector<std::string> kAll = {"context_evidence_missing", "context_evidence_mode_mismatch",
                                         "context_freshness_exceeded", "context_set_digest_missing"};
  const Case cases[] = {
      {"nothing at all", intent_with(""), ContextTrust::Claims, false, kFresh, kAll},
      {"claims do not count", intent_with(claims("required", "5")), ContextTrust::Envelope, false, kFresh, kAll},
      {"claims count", intent_with(claims("required", "5")), ContextTrust::Claims, false, kFresh, {}},
      {"a claimed age at the limit", intent_with(claims("required", "300")), ContextTrust::Claims, false, kFresh, {}},
      {"a claimed age beyond it",
       intent_with(claims("required", "300.5")),
       ContextTrust::Claims,
       false,
       kFresh,
       {"context_freshness_exceeded"}},
      {"an age below zero",
       intent_with(claims("required", "-1")),
       ContextTrust::Claims,
       false,
       kFresh,
       {"context_freshness_exceeded"}},
      {"an age that is a text",
       intent_with(claims("required", "\"5\"")),
       ContextTrust::Claims,
       false,
       kFresh,
       {"context_freshness_exceeded"}},
      {"the weaker mode",
       intent_with(claims("best_effort", "5")),
       ContextTrust::Claims,
       false,
       kFresh,
       {"context_evidence_mode_mismatch"}},
      {"a fresh envelope", intent_with(""), ContextTrust::Envelope, true, kFresh, {}},
      {"a stale envelope", intent_with(""), ContextTrust::Envelope, true, kStale, {"context_freshness_exceeded"}},
  };
  const Policy policy = *Policy::parse(kPolicy);
  for (const Case& row : cases) {
    const JudgedIntent intent = judged(row.intent, row.trust, row.envelope, row.now);
    const Decision decision = *evaluate(policy, intent, {}, *UtcTime::parse(row.now));
    std::vector<std::string> expected = row.reasons;
    expected.emplace_back("matched_rule_change");
    EXPECT_EQ(decision.reason_codes, expected) << row.name;
    EXPECT_EQ(decision.verdict, row.reasons.empty() ? Verdict::RequireApproval : Verdict::Block) << row.name;
    EXPECT_EQ(decision.has_context_reason, !row.reasons.empty()) << row.name;
  }
}

TEST(IntentDigest, DoesNotCoverClaimsNorTheAgeOfAnEnvelope) {
  const char* kThen = "2026-06-15T12:00:10Z";
  const char* kLater = "2026-06-15T12:00:11Z";
  const Digest plain = judged(intent_with(""), ContextTrust::Claims, false, kThen).intent.intent_digest();
  EXPECT_EQ(judged(intent_with(claims("required", "5")), ContextTrust::Claims, false, kThen).intent.intent_digest(),
            plain);

  const auto with_envelope = [](const char* now, AgeInDigest age) {
    return judged(intent_with(""), ContextTrust::Envelope, true, now, age).intent.intent_digest();
  };
  EXPECT_NE(with_envelope(kThen, AgeInDigest::Left), plain);
  EXPECT_EQ(with_envelope(kThen, AgeInDigest::Left), with_envelope(kLater, AgeInDigest::Left));
  // As gait: a digest for each second.
  EXPECT_NE(with_envelope(kThen, AgeInDigest::Hashed), with_envelope(kLater, AgeInDigest::Hashed));
}

TEST(ContextEnvelope, IsRefusedWhereItContradictsItselfOrTheIntent) {
  const std::string text = kEnvelope;
  EXPECT_TRUE(ContextEnvelope::parse(text));
  const auto changed = [&text](const std::string& from, const std::string& to) {
    std::string out = text;
    out.replace(out.find(from), from.size(), to);
    return ContextEnvelope::parse(out);
  };
  EXPECT_FALSE(changed("\"context_set_id\":\"set\"",
                       std::string("\"context_set_id\":\"set\",\"context_set_digest\":\"") + kDigest + "\""));
  EXPECT_FALSE(changed("\"context_set_id\":\"set\"", "\"context_set_id\":\" \""));
  EXPECT_FALSE(changed("\"evidence_mode\":\"required\"", "\"evidence_mode\":\"strict\""));
  EXPECT_FALSE(changed("\"records\"", "\"unknown\":1,\"records\""));
  EXPECT_FALSE(changed("\"ref_id\"", "\"Ref_ID\":\"x\",\"ref_id\""));

  const auto contradicted =
      with_context(*Intent::parse(intent_with(claims("required", "5"))), *ContextEnvelope::parse(text),
                   ContextTrust::Claims, AgeInDigest::Left, *UtcTime::parse("2026-06-15T12:00:00Z"));
  ASSERT_FALSE(contradicted);
  EXPECT_EQ(contradicted.error().code, ErrorCode::Invalid);
}

TEST(ContextEnvelope, FromTheFutureHasNoAge) {
  const ContextEnvelope envelope = *ContextEnvelope::parse(std::string_view(kEnvelope));
  EXPECT_EQ(envelope.age_seconds(*UtcTime::parse("2026-06-15T11:00:00Z")), 0);
  EXPECT_EQ(envelope.age_seconds(*UtcTime::parse("2026-06-15T12:00:01.9Z")), 1);
}

}  // namespace
}  // namespace countersign::gate
