#include "signer/daemon/mint_rules.h"

#include <gtest/gtest.h>

#include "signer/config/approval_limits.h"
#include "tests/signer/daemon/rules_fixture.h"
#include "tests/signer/daemon/running_appliance.h"

namespace countersign::daemon {
namespace {

using statement::Statement;
using statement::StatementType;
using statement::Verdict;
using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;

constexpr std::uint32_t kAlice = 1001;
constexpr std::uint32_t kGate = 60001;

class MintRulesTest : public RulesFixture {
 protected:
  MintRulesTest() {
    const test::Outcome made = test::run(
        {.argv = {"ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "test-only", "-f", folder_ / "alice"}});
    if (made.exit_code != 0) throw std::runtime_error(made.err);
    const std::string line = test::run({.argv = {"cat", folder_ / "alice.pub"}}).out;
    add_approver("alice@approvers.example", line, kAlice, {"tool:*", "destructive:apply"});
    config_.approvals.high_risk = {{"phase:apply", minutes(45)}};
  }

  void decide(Verdict verdict, std::vector<std::string> reasons = {}, bool destructive = false,
              const std::string& requester = "zoe@team.example") {
    commit([&](ledger::Item& item) {
      item.decision.emplace();
      item.decision->intent_digest = test::intent_digest("mint");
      item.decision->policy_digest = *Digest::parse(test::kPolicy);
      item.decision->verdict = verdict;
      item.decision->at = clock_.now();
      item.decision->peer_uid = kGate;
      item.record.peer_uid = kGate;
      item.decision->facts.requester = requester;
      item.decision->facts.reason_codes = std::move(reasons);
      item.decision->facts.required_scopes = {"tool:db.drop_table"};
      item.decision->facts.destructive = destructive;
    });
  }

  statement::ApprovalTokenFields fields(std::chrono::seconds ttl = minutes(10)) {
    const auto parsed = Statement::parse(StatementType::ApprovalToken,
                                         test::token_fields("mint", "alice", static_cast<int>(ttl.count())));
    if (!parsed) throw std::runtime_error(parsed.error().detail);
    return *parsed->approval_token();
  }
  Json proof(const statement::ApprovalTokenFields& token, std::chrono::seconds life = minutes(5)) {
    const auto nonce = nonces_.issue(kAlice, clock_.now());
    const UtcTime expires = clock_.now() + life;
    const test::Outcome made =
        test::run({.argv = {"ssh-keygen", "-Y", "sign", "-q", "-n", "countersign-approval", "-f", folder_ / "alice"},
                   .input = statement::approval_message(token, nonce->text, expires)});
    return Json::object(
        {{"kind", "ssh"}, {"signature", made.out}, {"nonce", nonce->text}, {"expires_at", expires.rfc3339()}});
  }
  std::string judge(const statement::ApprovalTokenFields& token, const std::optional<Json>& proof,
                    std::uint32_t uid = kAlice) {
    const auto judged = MintRules(config_, *store_, nonces_).judge(token, proof, Caller{uid, "r"}, clock_.now());
    const Refusal* refusal = std::get_if<Refusal>(&judged);
    if (refusal == nullptr) {
      same_uid_ = std::get<MintGrant>(judged).proof.find("same_uid")->as_bool();
      proven_by_ = std::get<MintGrant>(judged).proven_by;
      return "granted";
    }
    detail_ = refusal->error.detail;
    return refusal->error.wire_code();
  }
  static Json unix_user() { return Json::object({{"kind", "unix_user"}}); }

  Nonces nonces_;
  bool same_uid_ = false;
  std::string proven_by_;  // of the last grant
  std::string detail_;
};

TEST_F(MintRulesTest, NeedsTheLatestDecisionToRequireApprovalWithinADay) {
  EXPECT_EQ(judge(fields(), unix_user()), "no_pending_request");
  decide(Verdict::RequireApproval);
  EXPECT_EQ(judge(fields(), unix_user()), "granted");
  EXPECT_EQ(proven_by_, "uid:" + std::to_string(kAlice));
  clock_.advance(hours(24));
  EXPECT_EQ(judge(fields(), unix_user()), "granted");
  clock_.advance(seconds(1));
  EXPECT_EQ(judge(fields(), unix_user()), "no_pending_request");
  decide(Verdict::RequireApproval);
  clock_.advance(seconds(1));
  decide(Verdict::Block);
  EXPECT_EQ(judge(fields(), unix_user()), "no_pending_request");
}

TEST_F(MintRulesTest, RefusesWhileAContextReasonStands) {
  for (const char* reason : {"context_evidence_missing", "context_set_digest_missing", "context_evidence_mode_mismatch",
                             "context_freshness_exceeded"}) {
    decide(Verdict::RequireApproval, {"approval_token_missing", reason});
    EXPECT_EQ(judge(fields(), unix_user()), "context_not_satisfied") << reason;
    clock_.advance(seconds(1));
  }
  decide(Verdict::RequireApproval, {"approval_token_missing"});
  EXPECT_EQ(judge(fields(), unix_user()), "granted");
}

TEST_F(MintRulesTest, RefusesTheRequesterHoweverSpelt) {
  decide(Verdict::RequireApproval, {}, false, " Alice@Approvers.Example");
  EXPECT_EQ(judge(fields(), unix_user()), "requester_is_approver");
}

TEST_F(MintRulesTest, BelievesTheKernelAboutTheUnixUserAlone) {
  decide(Verdict::RequireApproval);
  EXPECT_EQ(judge(fields(), unix_user(), kAlice + 1), "approval_proof_invalid");
  EXPECT_EQ(judge(fields(), std::nullopt), "approval_proof_missing");
  config_.approvers[0].unix_uid = kGate;
  EXPECT_EQ(judge(fields(), unix_user(), kGate), "same_uid_refused");
}

TEST_F(MintRulesTest, LetsOneUidDoBothWithAnSshKeyUnlessForbidden) {
  decide(Verdict::RequireApproval);
  EXPECT_EQ(judge(fields(), proof(fields()), kGate), "granted");
  EXPECT_TRUE(same_uid_);
  EXPECT_EQ(judge(fields(), proof(fields()), kAlice), "granted");
  EXPECT_EQ(proven_by_, config::ssh_credential(config_.approvers.front()));
  EXPECT_TRUE(proven_by_.starts_with("SHA256:"));
  EXPECT_FALSE(same_uid_);
  config_.approvals.distinct_uid = true;
  EXPECT_EQ(judge(fields(), proof(fields()), kGate), "same_uid_refused");
  EXPECT_EQ(judge(fields(), proof(fields()), kAlice), "granted");
}

TEST_F(MintRulesTest, RefusesASignatureOverAnythingElse) {
  decide(Verdict::RequireApproval);
  EXPECT_EQ(judge(fields(minutes(11)), proof(fields())), "approval_proof_invalid");
  Json other = proof(fields());
  other.set("nonce", nonces_.issue(kAlice, clock_.now())->text);
  EXPECT_EQ(judge(fields(), other), "approval_proof_invalid");
}

TEST_F(MintRulesTest, RefusesAnExpiredProofAndAnUnknownOrUsedChallenge) {
  decide(Verdict::RequireApproval);
  const Json good = proof(fields());
  Json unknown = good;
  unknown.set("nonce", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA");
  EXPECT_EQ(judge(fields(), unknown), "nonce_unknown");
  EXPECT_EQ(judge(fields(), good), "granted");
  EXPECT_EQ(judge(fields(), good), "nonce_unknown");
  const Json late = proof(fields());
  EXPECT_EQ(judge(fields(), proof(fields(), hours(1))), "approval_proof_expired");
  clock_.advance(minutes(5));
  EXPECT_EQ(judge(fields(), late), "approval_proof_expired");
}

TEST_F(MintRulesTest, NamesTheLimitThatATtlExceeds) {
  decide(Verdict::RequireApproval);
  EXPECT_EQ(judge(fields(hours(24)), unix_user()), "granted");
  EXPECT_EQ(judge(fields(hours(25)), unix_user()), "ttl_over_limit");
  EXPECT_NE(detail_.find("approvals.max_ttl"), std::string::npos) << detail_;
  config_.approvers[0].max_ttl = hours(2);
  EXPECT_EQ(judge(fields(hours(3)), unix_user()), "ttl_over_limit");
  EXPECT_NE(detail_.find("the approver's max_ttl"), std::string::npos) << detail_;
  clock_.advance(seconds(1));
  decide(Verdict::RequireApproval, {}, true);
  EXPECT_EQ(judge(fields(minutes(31)), unix_user()), "ttl_over_limit");
  EXPECT_NE(detail_.find("destructive"), std::string::npos) << detail_;
  EXPECT_EQ(judge(fields(minutes(30)), unix_user()), "granted");
}

TEST_F(MintRulesTest, RefusesAScopeTheApproverMayNotGrant) {
  decide(Verdict::RequireApproval);
  statement::ApprovalTokenFields token = fields();
  token.scope = {"phase:apply", "tool:db.drop_table"};
  EXPECT_EQ(judge(token, unix_user()), "approver_scope_refused");
  token.scope = {"destructive:apply", "tool:any"};
  EXPECT_EQ(judge(token, unix_user()), "granted");
}

class DelegationMintTest : public MintRulesTest {
 protected:
  DelegationMintTest() { config_.approvers[0].scopes = {"tool:*", "delegate:write", "delegate:deploy"}; }
  static statement::DelegationTokenFields delegation(std::vector<std::string> scope = {"write"},
                                                     std::chrono::seconds ttl = minutes(10)) {
    statement::DelegationTokenFields fields;
    fields.delegator_identity = "alice@approvers.example";
    fields.delegate_identity = "agent-1";
    fields.scope = std::move(scope);
    fields.ttl = ttl;
    return fields;
  }
  Json proof_of(const statement::DelegationTokenFields& token, const char* name_space = "countersign-delegation") {
    const auto nonce = nonces_.issue(kAlice, clock_.now());
    const UtcTime expires = clock_.now() + minutes(5);
    const test::Outcome made =
        test::run({.argv = {"ssh-keygen", "-Y", "sign", "-q", "-n", name_space, "-f", folder_ / "alice"},
                   .input = statement::delegation_message(token, nonce->text, expires)});
    return Json::object(
        {{"kind", "ssh"}, {"signature", made.out}, {"nonce", nonce->text}, {"expires_at", expires.rfc3339()}});
  }
  std::string judge(const statement::DelegationTokenFields& token, const std::optional<Json>& proof,
                    std::uint32_t uid = kAlice) {
    const auto judged = MintRules(config_, *store_, nonces_).judge(token, proof, Caller{uid, "r"}, clock_.now());
    const Refusal* refusal = std::get_if<Refusal>(&judged);
    return refusal == nullptr ? "granted" : refusal->error.wire_code();
  }
};

TEST_F(DelegationMintTest, AsksTheDelegatorForProofAndForNoPendingRequest) {
  EXPECT_EQ(judge(delegation(), proof_of(delegation()), kGate), "granted");
  EXPECT_EQ(judge(delegation(), unix_user()), "granted");
  EXPECT_EQ(judge(delegation(), unix_user(), kGate), "approval_proof_invalid");
  EXPECT_EQ(judge(delegation(), std::nullopt), "approval_proof_missing");
  statement::DelegationTokenFields stranger = delegation();
  stranger.delegator_identity = "eve@approvers.example";
  EXPECT_EQ(judge(stranger, unix_user()), "delegator_not_in_roster");
}

TEST_F(DelegationMintTest, TakesAProofOnceAndForNothingElse) {
  const Json good = proof_of(delegation());
  EXPECT_EQ(judge(delegation({"deploy"}), good), "approval_proof_invalid");
  EXPECT_EQ(judge(delegation(), proof_of(delegation(), "countersign-approval")), "approval_proof_invalid");
  EXPECT_EQ(judge(delegation(), good), "granted");
  EXPECT_EQ(judge(delegation(), good), "nonce_unknown");
}

TEST_F(DelegationMintTest, PassesOnOnlyWordsOfTheRoster) {
  EXPECT_EQ(judge(delegation({"deploy", "write"}), unix_user()), "granted");
  // tool:* lets them approve every tool, and delegate nothing.
  EXPECT_EQ(judge(delegation({"tool:db.write"}), unix_user()), "delegation_scope_refused");
  EXPECT_EQ(judge(delegation({"admin", "write"}), unix_user()), "delegation_scope_refused");
  statement::DelegationTokenFields classed = delegation();
  classed.scope_class = "admin";
  EXPECT_EQ(judge(classed, unix_user()), "delegation_scope_refused");
  EXPECT_EQ(judge(delegation({"write"}, hours(24)), unix_user()), "granted");
  EXPECT_EQ(judge(delegation({"write"}, hours(25)), unix_user()), "ttl_over_limit");
}

class ScriptMintTest : public MintRulesTest {
 protected:
  ScriptMintTest() { config_.approvers[0].scopes = {"tool:*", "script:db.read", "script:db.save"}; }
  static statement::ApprovedScriptFields script(std::vector<std::string> tools = {"db.read", "db.save"},
                                                std::chrono::seconds ttl = hours(1)) {
    statement::ApprovedScriptFields fields;
    fields.pattern_id = "nightly";
    fields.policy_digest = sha256("policy");
    fields.script_hash = sha256("script");
    fields.tool_sequence = std::move(tools);
    fields.approver_identity = "alice@approvers.example";
    fields.ttl = ttl;
    return fields;
  }
  Json proof_of(const statement::ApprovedScriptFields& fields, const char* name_space = "countersign-script") {
    const auto nonce = nonces_.issue(kAlice, clock_.now());
    const UtcTime expires = clock_.now() + minutes(5);
    const test::Outcome made =
        test::run({.argv = {"ssh-keygen", "-Y", "sign", "-q", "-n", name_space, "-f", folder_ / "alice"},
                   .input = statement::approved_script_message(fields, nonce->text, expires)});
    return Json::object(
        {{"kind", "ssh"}, {"signature", made.out}, {"nonce", nonce->text}, {"expires_at", expires.rfc3339()}});
  }
  std::string judge(const statement::ApprovedScriptFields& fields, const std::optional<Json>& proof,
                    std::uint32_t uid = kAlice) {
    const auto judged = MintRules(config_, *store_, nonces_).judge(fields, proof, Caller{uid, "r"}, clock_.now());
    const Refusal* refusal = std::get_if<Refusal>(&judged);
    return refusal == nullptr ? "granted" : refusal->error.wire_code();
  }
};

TEST_F(ScriptMintTest, AsksTheApproverForAProofOfExactlyThisScript) {
  EXPECT_EQ(judge(script(), unix_user()), "granted");
  EXPECT_EQ(judge(script(), unix_user(), kGate), "approval_proof_invalid");
  EXPECT_EQ(judge(script(), std::nullopt), "approval_proof_missing");
  const Json good = proof_of(script());
  EXPECT_EQ(judge(script({"db.read"}), good, kGate), "approval_proof_invalid");
  EXPECT_EQ(judge(script(), proof_of(script(), "countersign-approval"), kGate), "approval_proof_invalid");
  EXPECT_EQ(judge(script(), good, kGate), "granted");
  EXPECT_EQ(judge(script(), good, kGate), "nonce_unknown");
  statement::ApprovedScriptFields stranger = script();
  stranger.approver_identity = "eve@approvers.example";
  EXPECT_EQ(judge(stranger, unix_user()), "approver_not_in_roster");
}

TEST_F(ScriptMintTest, IsForToolsOfTheRosterAndNoLongerThanItsLimits) {
  // tool:* lets them approve every call, and no script.
  EXPECT_EQ(judge(script({"db.drop_table", "db.read"}), unix_user()), "script_tool_refused");
  EXPECT_EQ(judge(script({"db.read"}, hours(24)), unix_user()), "granted");
  EXPECT_EQ(judge(script({"db.read"}, hours(25)), unix_user()), "ttl_over_limit");
}

TEST(ApprovalTimes, TakeTheLeastLimitAndAShorterDefaultForHighRisk) {
  config::ApprovalsConfig approvals;
  approvals.high_risk = {{"phase:apply", minutes(20)}};
  const config::ApproverConfig anyone;
  EXPECT_EQ(approval_times(approvals, anyone, {"tool:a"}, false).usual, hours(1));
  EXPECT_EQ(approval_times(approvals, anyone, {"phase:apply"}, false).usual, minutes(15));
  EXPECT_EQ(approval_times(approvals, anyone, {"phase:apply"}, false).most, minutes(20));
  EXPECT_EQ(approval_times(approvals, anyone, {"tool:a"}, true).most, minutes(30));
}

}  // namespace
}  // namespace countersign::daemon
