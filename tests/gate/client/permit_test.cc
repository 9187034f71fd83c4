#include "gate/client/permit.h"

#include <gtest/gtest.h>

#include "signer/statement/statement.h"
#include "tests/support/fake_clock.h"
#include "tests/support/software_key.h"

namespace countersign::gate::client {
namespace {

using keymgmt::Role;
using statement::Verdict;
using Words = std::vector<std::string>;

constexpr std::string_view kIntent = R"({
  "tool_name": "file.touch", "args": {"argv": ["touch", "a file"]}, "targets": [],
  "context": {"identity": "agent@company", "workspace": "/srv", "risk_class": "low"}
})";

Intent intent_of(std::string_view text) {
  Result<Intent> intent = Intent::parse(text);
  EXPECT_TRUE(intent.has_value());
  return *std::move(intent);
}

keymgmt::PublishedKey published(const test::SoftwareKey& key, Role role) {
  return {key.public_key(), role, keymgmt::KeyState::Active, "", "", {}, {}, std::nullopt, std::nullopt};
}

class PermitTest : public testing::Test {
 protected:
  const Intent intent_ = intent_of(kIntent);
  const Words argv_ = {"touch", "a file"};
  const Digest policy_ = sha256(std::string_view("policy"));
  const test::SoftwareKey trace_key_{std::uint8_t{1}};
  const test::SoftwareKey release_key_{std::uint8_t{2}};
  const keymgmt::KeySet keys_{1, {}, {published(trace_key_, Role::Trace), published(release_key_, Role::Release)}};
  test::FakeClock clock_;

  Json trace(const Intent& intent, Verdict verdict, const test::SoftwareKey& key) const {
    Json fields = Json::object({{"created_at", "2026-06-08T21:14:00Z"},
                                {"tool_name", intent.fields().tool_name},
                                {"args_digest", intent.args_digest().hex()},
                                {"intent_digest", intent.intent_digest().hex()},
                                {"policy_digest", policy_.hex()},
                                {"verdict", statement::name_of(verdict)},
                                {"countersign", Json::object({{"requester", "agent@company"},
                                                              {"reason_codes", Json(Json::Array{})},
                                                              {"required_approvals", 0},
                                                              {"distinct_approvers", false},
                                                              {"required_scopes", Json(Json::Array{})},
                                                              {"destructive", false}})}});
    Result<statement::Statement> made = statement::Statement::parse(statement::StatementType::Trace, fields);
    EXPECT_TRUE(made) << made.error().detail;
    statement::Stamp stamp;
    stamp.now = clock_.now();
    stamp.sequence = 1;
    Result<statement::UnsignedDocument> document = made->rebuild(stamp);
    EXPECT_TRUE(document);
    const Bytes signature = key.sign(document->signed_digest().bytes());
    return (*std::move(document)).seal(key.public_key(), signature)->root().json();
  }
  Json allow() const { return trace(intent_, Verdict::Allow, trace_key_); }

  Result<Permit> check(const Json& trace, const Intent& intent, const Words& argv) const {
    return Permit::check(trace, intent, argv, PermitRules{keys_, policy_, std::chrono::minutes(5), clock_.now()});
  }
  std::string reason(const Json& trace, const Intent& intent, const Words& argv) const {
    const Result<Permit> permit = check(trace, intent, argv);
    return permit ? "permitted" : permit.error().reason;
  }
};

TEST_F(PermitTest, IsGivenForExactlyWhatWasAllowed) {
  const Json trace = allow();
  const Result<Permit> permit = check(trace, intent_, argv_);
  ASSERT_TRUE(permit) << permit.error().detail;
  EXPECT_EQ(permit->trace(), trace);
}

TEST_F(PermitTest, IsRefusedForEveryOtherVerdict) {
  for (const Verdict verdict : {Verdict::DryRun, Verdict::RequireApproval, Verdict::Block}) {
    EXPECT_EQ(reason(trace(intent_, verdict, trace_key_), intent_, argv_), "verdict_not_allow");
  }
}

TEST_F(PermitTest, IsRefusedForAnotherCommandLine) {
  for (const Words& other : {Words{"touch"}, Words{"touch", "a", "file"}, Words{"touch", "a file", "b"},
                             Words{"touch", "a file "}, Words{"Touch", "a file"}, Words{}}) {
    EXPECT_EQ(reason(allow(), intent_, other), "argv_mismatch");
  }
}

TEST_F(PermitTest, IsRefusedForAnotherIntent) {
  const Intent other = intent_of(R"({
    "tool_name": "file.touch", "args": {"argv": ["touch", "b file"]}, "targets": [],
    "context": {"identity": "agent@company", "workspace": "/srv", "risk_class": "low"}})");
  EXPECT_EQ(reason(allow(), other, {"touch", "b file"}), "intent_mismatch");
}

TEST_F(PermitTest, IsRefusedWithoutACommandLineInTheIntent) {
  for (const char* args : {R"({})", R"({"argv": "touch"})", R"({"argv": ["touch", 1]})"}) {
    const Intent bare = intent_of(std::string(R"({"tool_name": "file.touch", "targets": [], "args": )") + args +
                                  R"(, "context": {"identity": "a", "workspace": "/", "risk_class": "low"}})");
    EXPECT_EQ(reason(trace(bare, Verdict::Allow, trace_key_), bare, {"touch"}), "argv_missing") << args;
  }
}

// The digest covers the trimmed words only, so a word with outer white space was never what people approved.
// Where arguments are read as gait reads them, its digest does not tell the two intents apart: the words decide.
TEST_F(PermitTest, IsRefusedWhereTrimmingChangedAWord) {
  constexpr std::string_view kSpaced = R"({
    "tool_name": "file.touch", "args": {"argv": ["touch", " a file"]}, "targets": [],
    "context": {"identity": "agent@company", "workspace": "/srv", "risk_class": "low"}})";
  EXPECT_EQ(Intent::parse(kSpaced).error().reason, "unbound_white_space");
  const Intent spaced = *Intent::parse(kSpaced, ArgsReading::AsGait);
  ASSERT_EQ(spaced.intent_digest(), intent_.intent_digest());
  EXPECT_EQ(reason(allow(), spaced, {"touch", " a file"}), "argv_mismatch");
  EXPECT_EQ(reason(allow(), spaced, {"touch", "a file"}), "argv_mismatch");
}

// Where it is bound, exactly those words are permitted.
TEST_F(PermitTest, CoversWordsWithOuterWhiteSpaceThatTheDigestBinds) {
  const Intent spaced = *Intent::parse(std::string_view(R"({
    "tool_name": "file.touch", "args": {"argv": ["touch", " a file"]}, "targets": [],
    "context": {"identity": "agent@company", "workspace": "/srv", "risk_class": "low"}})"),
                                       ArgsReading::Exact);
  const Json permit = trace(spaced, Verdict::Allow, trace_key_);
  EXPECT_EQ(reason(permit, spaced, {"touch", " a file"}), "permitted");
  EXPECT_EQ(reason(permit, spaced, {"touch", "a file"}), "argv_mismatch");
  EXPECT_EQ(reason(permit, intent_, {"touch", "a file"}), "intent_mismatch");
  EXPECT_EQ(reason(allow(), spaced, {"touch", " a file"}), "intent_mismatch");
}

TEST_F(PermitTest, IsRefusedUnderAnotherPolicyThanThePinnedOne) {
  const PermitRules rules{keys_, sha256(std::string_view("other")), std::chrono::minutes(5), clock_.now()};
  const Result<Permit> permit = Permit::check(allow(), intent_, argv_, rules);
  ASSERT_FALSE(permit);
  EXPECT_EQ(permit.error().reason, "policy_mismatch");
}

TEST_F(PermitTest, LivesFiveMinutes) {
  const Json trace = allow();
  clock_.advance(std::chrono::minutes(5));
  EXPECT_EQ(reason(trace, intent_, argv_), "permitted");
  clock_.advance(std::chrono::seconds(1));
  EXPECT_EQ(reason(trace, intent_, argv_), "permit_expired");
}

TEST_F(PermitTest, IsRefusedFromTheFuture) {
  const Json trace = allow();
  clock_.step(std::chrono::seconds(-5));
  EXPECT_EQ(reason(trace, intent_, argv_), "permitted");
  clock_.step(std::chrono::seconds(-1));
  EXPECT_EQ(reason(trace, intent_, argv_), "permit_from_the_future");
}

TEST_F(PermitTest, IsRefusedWhenTheTraceDoesNotVerify) {
  const Json blocked = trace(intent_, Verdict::Block, trace_key_);
  Json edited = blocked;
  edited.set("verdict", "allow");
  EXPECT_EQ(check(edited, intent_, argv_).error().code, ErrorCode::VerificationFailed);
  EXPECT_EQ(reason(trace(intent_, Verdict::Allow, release_key_), intent_, argv_), "wrong_role");
  EXPECT_EQ(reason(trace(intent_, Verdict::Allow, test::SoftwareKey(std::uint8_t{3})), intent_, argv_), "unknown_key");
  Json bare = allow();
  bare.erase("signature");
  EXPECT_EQ(reason(bare, intent_, argv_), "signature_missing");
}

}  // namespace
}  // namespace countersign::gate::client
