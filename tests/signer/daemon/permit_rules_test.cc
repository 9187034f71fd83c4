#include "signer/daemon/permit_rules.h"

#include <gtest/gtest.h>

#include <thread>

#include "signer/config/approval_limits.h"
#include "tests/signer/daemon/rules_fixture.h"
#include "tests/signer/daemon/running_appliance.h"
#include "tests/support/software_key.h"

namespace countersign::daemon {
namespace {

using keymgmt::Role;
using statement::Statement;
using statement::StatementType;
using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;
using test::SoftwareKey;

constexpr const char* kSeed = "permit";

keymgmt::PublishedKey published(const SoftwareKey& key, Role role, UtcTime since) {
  return {
      key.public_key(), role,        keymgmt::KeyState::Active, "01", "test-only", since - hours(1), since - hours(1),
      std::nullopt,     std::nullopt};
}

class PermitRulesTest : public RulesFixture {
 protected:
  PermitRulesTest() {
    keys_ = keymgmt::KeySet(
        1, clock_.now(),
        {published(approval_, Role::Approval, clock_.now()), published(trace_, Role::Trace, clock_.now())});
    for (const char* identity : {"alice@approvers.example", "bob@approvers.example", "zoe@team.example"}) {
      add_approver(identity, "", 1000, {"tool:*", "phase:apply"});
    }
  }

  // A token as the approval holder makes it, sealed by `key`.
  Json token(const std::string& approver, const SoftwareKey& key,
             std::vector<std::string> scope = {"tool:db.drop_table"}, const std::string& seed = kSeed) {
    Json fields = test::token_fields(seed, "x", 600);
    fields.set("approver_identity", approver);
    fields.set("scope", Json::array(scope));
    const auto statement = Statement::parse(StatementType::ApprovalToken, fields);
    if (!statement) throw std::runtime_error(statement.error().detail);
    const std::string id = to_hex(random_bytes(12));
    auto document = statement->rebuild({clock_.now(), 0, id});
    const Bytes signature = key.sign(document->signed_digest().bytes());
    digest_ = document->signed_digest();
    return std::move(*document).seal(key.public_key(), signature)->root().json();
  }
  Json minted(const std::string& approver, std::vector<std::string> scope = {"tool:db.drop_table"},
              const std::string& seed = kSeed, const std::string& proven_by = config::unix_credential(1000)) {
    Json made = token(approver, approval_, std::move(scope), seed);
    commit([&](ledger::Item& item) {
      item.minted = ledger::MintedToken{std::string(made.text("token_id")), digest_,  test::intent_digest(seed),
                                        *Digest::parse(test::kPolicy),      approver, clock_.now(),
                                        clock_.now() + minutes(10),         proven_by};
    });
    return made;
  }
  void redeem(const Json& token) {
    commit([&](ledger::Item& item) { item.redeem = {{std::string(token.text("token_id")), digest_}}; });
  }
  std::variant<Permit, Refusal> judge(const std::vector<Json>& tokens, int required = 1, const Json* change = nullptr) {
    Json fields = test::trace_fields(kSeed, "allow", required);
    if (change != nullptr) {
      for (const Json::Member& member : change->as_object())
        fields.find("countersign")->set(member.first, member.second);
    }
    const auto trace = Statement::parse(StatementType::Trace, fields);
    if (!trace) throw std::runtime_error(trace.error().detail);
    return PermitRules(config_, *store_).judge(*trace->trace(), tokens, keys_, in_use_, clock_.now());
  }
  // The code of the only finding, or of the refusal where tokens are no matter; "permit" for none.
  static std::string code(const std::variant<Permit, Refusal>& judged) {
    const Refusal* refusal = std::get_if<Refusal>(&judged);
    if (refusal == nullptr) return "permit";
    return refusal->tokens.size() == 1 ? refusal->tokens.front().code : refusal->error.wire_code();
  }

  SoftwareKey approval_{keymgmt::Algorithm::Ed25519};
  SoftwareKey trace_{keymgmt::Algorithm::Ed25519};
  keymgmt::KeySet keys_;
  TokensInUse in_use_;
  Digest digest_;  // of the last token made
};

TEST_F(PermitRulesTest, CountsATokenUntilItExpires) {
  const Json alice = minted("alice@approvers.example");
  EXPECT_EQ(code(judge({alice})), "permit");
  clock_.advance(minutes(10) - seconds(1));
  EXPECT_EQ(code(judge({alice})), "permit");
  clock_.advance(seconds(1));
  EXPECT_EQ(code(judge({alice})), "approval_token_expired");
}

TEST_F(PermitRulesTest, RefusesATokenFromTheFuture) {
  const Json alice = minted("alice@approvers.example");
  clock_.step(-config_.limits.clock_step);
  EXPECT_EQ(code(judge({alice})), "permit");
  clock_.step(-seconds(1));
  EXPECT_EQ(code(judge({alice})), "approval_token_future");
}

TEST_F(PermitRulesTest, RefusesASignatureThatIsNoneOfThePublishedApprovalKeys) {
  EXPECT_EQ(code(judge({token("alice@approvers.example", trace_)})), "approval_token_signature_invalid");
  const SoftwareKey foreign(keymgmt::Algorithm::Ed25519);
  const auto judged = judge({token("alice@approvers.example", foreign)});
  EXPECT_EQ(code(judged), "approval_token_signature_invalid");
  EXPECT_EQ(std::get<Refusal>(judged).event, config::Event::TokenForeign);
  Json bare = minted("alice@approvers.example");
  bare.erase("signature");
  EXPECT_EQ(code(judge({bare})), "approval_token_signature_missing");
  EXPECT_EQ(code(judge({Json::object({{"hello", 1}})})), "approval_token_invalid");
}

TEST_F(PermitRulesTest, RefusesATokenThatTheLedgerDidNotSeeMinted) {
  EXPECT_EQ(code(judge({token("alice@approvers.example", approval_)})), "approval_token_foreign");
}

TEST_F(PermitRulesTest, WaitsForTheRecordsSinceTheTokenWasMintedToBeChecked) {
  const Json alice = minted("alice@approvers.example");
  clock_.advance(minutes(1));
  for (int i = 0; i < 600; ++i) commit([](const ledger::Item&) {});
  store_.reset();
  ledger::SqliteOptions options;
  options.recheck = 10;
  store_ = *ledger::SqliteStore::open(folder_ / "ledger.db", clock_, options);
  const auto judged = judge({alice});
  EXPECT_EQ(code(judged), "ledger_check_pending");
  EXPECT_EQ(std::get<Refusal>(judged).error.code, ErrorCode::Unavailable);
  store_->watch({}, [](const Error& damage) { ADD_FAILURE() << damage.detail; });
  while (code(judge({alice})) == "ledger_check_pending") std::this_thread::yield();  // polls a condition
  EXPECT_EQ(code(judge({alice})), "permit");
}

TEST_F(PermitRulesTest, RefusesACopyUnderAnotherName) {
  Json alice = minted("alice@approvers.example");
  Json relabelled = alice;
  relabelled.set("token_id", "00112233445566778899aabb");
  EXPECT_EQ(code(judge({relabelled})), "approval_token_signature_invalid");
  const auto both = judge({alice, alice}, 2);
  EXPECT_EQ(code(both), "approval_token_repeated");
  EXPECT_EQ(std::get<Refusal>(both).error.wire_code(), "approval_chain_insufficient");
}

TEST_F(PermitRulesTest, RefusesATokenOfAnotherIntent) {
  EXPECT_EQ(code(judge({minted("alice@approvers.example", {"tool:db.drop_table"}, "other")})),
            "approval_token_intent_mismatch");
}

TEST_F(PermitRulesTest, DemandsEveryRequiredScope) {
  EXPECT_EQ(code(judge({minted("alice@approvers.example", {"tool:other"})})), "approval_token_scope_mismatch");
  const Json more = Json::object({{"required_scopes", Json::array({"phase:apply", "tool:db.drop_table"})}});
  EXPECT_EQ(code(judge({minted("alice@approvers.example")}, 1, &more)), "approval_token_scope_mismatch");
  EXPECT_EQ(code(judge({minted("alice@approvers.example", {"phase:apply", "tool:db.drop_table"})}, 1, &more)),
            "permit");
}

TEST_F(PermitRulesTest, CountsOnlyPeopleOnTheRosterWhoAreNotTheRequester) {
  EXPECT_EQ(code(judge({minted("mallory@approvers.example")})), "approver_not_in_roster");
  EXPECT_EQ(code(judge({minted("zoe@team.example")})), "requester_is_approver");
}

TEST_F(PermitRulesTest, CountsAnApproverOnlyForWhatTheyMayGrantNow) {
  const Json alice = minted("alice@approvers.example");
  config_.approvers[0].scopes = {"tool:db.drop_table"};
  EXPECT_EQ(code(judge({alice})), "permit");
  config_.approvers[0].scopes = {"tool:db.save"};
  EXPECT_EQ(code(judge({alice})), "approver_scope_refused");
}

TEST_F(PermitRulesTest, CountsNoApprovalOfAKeyThatWasReplaced) {
  // Public keys of nobody.
  const std::string old_key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILNWi3YqCQnpblvhhPYCPLaBv2xu9V+1QPur6lbbibPM";
  const std::string new_key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOJ4+0LmMG7H8sHyHI7speN4bILbkbQR9zbvZKx+LRD7";
  config::ApproverConfig& alice = config_.approvers[0];
  alice.ssh_key = old_key + " laptop";
  const Json by_key = minted("alice@approvers.example", {"tool:db.drop_table"}, kSeed, config::ssh_credential(alice));
  EXPECT_EQ(code(judge({by_key})), "permit");
  alice.ssh_key = old_key + " the comment is no part of it";
  EXPECT_EQ(code(judge({by_key})), "permit");
  alice.ssh_key = new_key;
  EXPECT_EQ(code(judge({by_key})), "approver_key_replaced");
  alice.ssh_key.clear();
  EXPECT_EQ(code(judge({by_key})), "approver_key_replaced");

  const Json by_user = minted("alice@approvers.example", {"tool:db.drop_table"}, kSeed, config::unix_credential(1000));
  EXPECT_EQ(code(judge({by_user})), "permit");
  alice.unix_uid = 1001;
  EXPECT_EQ(code(judge({by_user})), "approver_key_replaced");
  alice.unix_uid.reset();
  EXPECT_EQ(code(judge({by_user})), "approver_key_replaced");

  const Json by_nobody_knows_what = minted("bob@approvers.example", {"tool:db.drop_table"}, kSeed, "");
  EXPECT_EQ(code(judge({by_nobody_knows_what})), "approver_key_replaced");
}

TEST_F(PermitRulesTest, CountsEachPersonOnceHoweverTheyAreSpelt) {
  const Json first = minted("alice@approvers.example");
  const Json second = minted("ALICE@approvers.example");
  const Json bob = minted("bob@approvers.example");
  const auto alone = judge({first, second}, 2);
  EXPECT_EQ(std::get<Refusal>(alone).error.wire_code(), "approval_distinct_approvers_required");
  const auto both = judge({first, second, bob}, 2);
  ASSERT_EQ(code(both), "permit");
  EXPECT_EQ(std::get<Permit>(both).redeem.size(), 2u);
  EXPECT_EQ(std::get<Permit>(both).findings.size(), 1u);
}

TEST_F(PermitRulesTest, RefusesARedeemedTokenAndOneThatIsBeingRedeemed) {
  const Json alice = minted("alice@approvers.example");
  in_use_.insert(std::string(alice.text("token_id")));
  EXPECT_EQ(code(judge({alice})), "approval_token_consumed");
  in_use_.clear();
  EXPECT_EQ(code(judge({alice})), "permit");
  redeem(alice);
  const auto judged = judge({alice});
  EXPECT_EQ(code(judged), "approval_token_consumed");
  EXPECT_EQ(std::get<Refusal>(judged).error.code, ErrorCode::Conflict);
  EXPECT_EQ(std::get<Refusal>(judged).event, config::Event::TokenReplayed);
}

TEST_F(PermitRulesTest, DemandsTheConfiguredFloorOfAPolicy) {
  const Json alice = minted("alice@approvers.example");
  const Json bob = minted("bob@approvers.example");
  config_.policies = {{*Digest::parse(test::kPolicy), 2}};
  EXPECT_EQ(code(judge({}, 0)), "approval_token_missing");
  EXPECT_EQ(code(judge({alice}, 1)), "approval_chain_insufficient");
  EXPECT_EQ(code(judge({alice, bob}, 1)), "permit");
}

TEST_F(PermitRulesTest, BindsAnAllowWithoutTokensToEarlierDecisions) {
  const auto judged = judge({}, 0);
  ASSERT_EQ(code(judged), "permit");
  EXPECT_EQ(std::get<Permit>(judged).no_require_approval_since, clock_.now() - hours(24));
}

TEST_F(PermitRulesTest, RefusesAContextThatIsOnlyClaimedUnlessConfigured) {
  const Json claim = Json::object({{"context_source", "claim"}});
  EXPECT_EQ(code(judge({}, 0, &claim)), "context_claim_refused");
  config_.context_claims = true;
  EXPECT_EQ(code(judge({}, 0, &claim)), "permit");
}

}  // namespace
}  // namespace countersign::daemon
