#include <fstream>

#include "common/text.h"
#include "signer/statement/approval_proof.h"
#include "tests/signer/holder/holder_fixture.h"

namespace countersign::holder {
namespace {

constexpr std::string_view kAlice = "alice@approvers.example";

// An approval holder whose roster names Alice by an SSH key and Bob by his uid.
class Approving : public OnToken {
 protected:
  void SetUp() override {
    make_keys({Role::Approval});
    for (const char* name : {"alice", "mallory"}) {
      ASSERT_EQ(test::run({{"ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "test-only", "-f", key_file(name)}})
                    .exit_code,
                0);
    }
    config::ApproverConfig alice;
    alice.identity = kAlice;
    alice.identity_key = *identity_key(kAlice);
    std::getline(std::ifstream(key_file("alice") + ".pub"), alice.ssh_key);
    alice.scopes = {"tool:*", "phase:apply", "delegate:write", "delegate:deploy", "script:db.read", "script:db.save"};
    alice.max_ttl = std::chrono::hours(2);
    config::ApproverConfig bob;
    bob.identity = bob.identity_key = "bob";
    bob.unix_uid = 1001;
    bob.scopes = {"tool:db.drop_table", "phase:apply"};
    config::HolderSettings wanted = settings(Role::Approval);
    wanted.approvers = {alice, bob};
    holder_.emplace(wanted, token_.pin());
    ready_ = holder_->told();
    ASSERT_EQ(ready_.text("event"), "ready") << ready_.compact();
  }
  std::string key_file(const std::string& name) const { return token_.folder() + "/" + name; }

  SignJob job(const Json& fields) const {
    SignJob made = job_of(StatementType::ApprovalToken, kid_of(ready_));
    made.statement_json = fields.compact();
    return made;
  }
  Json proof(const Json& fields, const std::string& signer, UtcTime expires_at, const std::string& nonce = "n-1",
             const std::string& name_space = std::string(statement::kApprovalNamespace)) const {
    const auto parsed = statement::Statement::parse(StatementType::ApprovalToken, fields);
    EXPECT_TRUE(parsed);
    const std::string message = key_file("message");
    std::remove((message + ".sig").c_str());
    std::ofstream(message) << statement::approval_message(*parsed->approval_token(), nonce, expires_at);
    EXPECT_EQ(
        test::run({{"ssh-keygen", "-q", "-Y", "sign", "-f", key_file(signer), "-n", name_space, message}}).exit_code,
        0);
    std::ifstream file(message + ".sig");
    const std::string armoured((std::istreambuf_iterator<char>(file)), {});
    return Json::object(
        {{"kind", "ssh"}, {"signature", armoured}, {"nonce", nonce}, {"expires_at", expires_at.rfc3339()}});
  }
  std::string reason(const SignJob& wanted) {
    const Result<SignAnswer> answer = holder_->sign(wanted);
    return answer ? "" : answer.error().wire_code();
  }
  static UtcTime soon() { return SystemClock().now().whole_seconds() + std::chrono::minutes(4); }
  static Json bobs_fields() {
    Json fields = statement::token_fields();
    fields.set("approver_identity", "bob");
    return fields;
  }

  std::optional<HolderProcess> holder_;
  Json ready_;
};

TEST_F(Approving, MintsATokenForAnApproverWhoseKeySignedTheRequest) {
  const Json fields = statement::token_fields();
  SignJob wanted = job(fields);
  wanted.proof_json = proof(fields, "alice", soon()).compact();
  const Result<SignAnswer> answer = holder_->sign(wanted);
  ASSERT_TRUE(answer) << answer.error().detail;
  const Json token = *Json::parse(answer->statement_json);
  const auto verified = statement::VerifiedDocument::verify(StatementType::ApprovalToken, token, key_set_of(ready_));
  ASSERT_TRUE(verified) << verified.error().detail;
  EXPECT_EQ(token.text("approver_identity"), kAlice);
  EXPECT_EQ(token.text("token_id").size(), 24u);
}

TEST_F(Approving, GivesEveryTokenAnIdOfItsOwn) {
  std::set<std::string> ids;
  SignJob wanted = job(bobs_fields());
  wanted.proof_json = R"({"kind":"unix_user"})";
  wanted.peer_uid = 1001;
  for (int i = 0; i < 3; ++i) {
    const Result<SignAnswer> answer = holder_->sign(wanted);
    ASSERT_TRUE(answer) << answer.error().detail;
    EXPECT_TRUE(ids.insert(std::string(Json::parse(answer->statement_json)->text("token_id"))).second);
  }
}

TEST_F(Approving, MintsOneTokenOnlyFromOneProof) {
  const Json fields = statement::token_fields();
  SignJob wanted = job(fields);
  wanted.proof_json = proof(fields, "alice", soon()).compact();
  EXPECT_EQ(reason(wanted), "");
  EXPECT_EQ(reason(wanted), "approval_proof_used");
  wanted.proof_json = proof(fields, "alice", soon(), "n-2").compact();
  EXPECT_EQ(reason(wanted), "");
}

TEST_F(Approving, MintsOneTokenOnlyFromOneProofAlsoWhenBothRequestsArriveTogether) {
  const Json fields = statement::token_fields();
  SignJob wanted = job(fields);
  wanted.proof_json = proof(fields, "alice", soon()).compact();
  for (std::uint64_t id = 1; id <= 3; ++id) holder_->send(channel::FrameKind::Sign, id, wanted.encode());
  holder_->flush();
  for (std::uint64_t id = 1; id <= 3; ++id) {
    const auto frame = holder_->frame();
    ASSERT_TRUE(frame);
    EXPECT_EQ(frame->id, id);
    EXPECT_EQ(frame->kind, id == 1 ? channel::FrameKind::Signed : channel::FrameKind::Failed);
    if (id == 1) continue;
    EXPECT_EQ(channel::decode_error(frame->payload).reason, "approval_proof_used");
  }
}

TEST_F(Approving, MintsADelegationOnlyOnItsOwnProofAndForWordsOfTheRoster) {
  Json fields = statement::delegation_fields();
  fields.set("delegator_identity", kAlice);
  const auto wanted = [&](const Json& asked, const std::string& name_space) {
    const auto parsed = statement::Statement::parse(StatementType::DelegationToken, asked);
    const UtcTime expires_at = soon();
    static int count = 0;
    const std::string nonce = "d-" + std::to_string(++count);
    const std::string message = key_file("message");
    std::remove((message + ".sig").c_str());
    std::ofstream(message) << statement::delegation_message(*parsed->delegation_token(), nonce, expires_at);
    EXPECT_EQ(
        test::run({{"ssh-keygen", "-q", "-Y", "sign", "-f", key_file("alice"), "-n", name_space, message}}).exit_code,
        0);
    std::ifstream file(message + ".sig");
    const std::string armoured((std::istreambuf_iterator<char>(file)), {});
    SignJob made = job_of(StatementType::DelegationToken, kid_of(ready_));
    made.statement_json = asked.compact();
    made.proof_json =
        Json::object({{"kind", "ssh"}, {"signature", armoured}, {"nonce", nonce}, {"expires_at", expires_at.rfc3339()}})
            .compact();
    return made;
  };
  const std::string name_space(statement::kDelegationNamespace);
  const Result<SignAnswer> answer = holder_->sign(wanted(fields, name_space));
  ASSERT_TRUE(answer) << answer.error().detail;
  const Json token = *Json::parse(answer->statement_json);
  EXPECT_TRUE(statement::VerifiedDocument::verify(StatementType::DelegationToken, token, key_set_of(ready_)));
  EXPECT_EQ(reason(wanted(fields, std::string(statement::kApprovalNamespace))), "approval_proof_invalid");
  Json more = fields;
  more.set("scope", Json::array({"admin"}));
  EXPECT_EQ(reason(wanted(more, name_space)), "delegation_scope_refused");
  SignJob unproven = job_of(StatementType::DelegationToken, kid_of(ready_));
  unproven.statement_json = fields.compact();
  EXPECT_EQ(reason(unproven), "approval_proof_missing");
}

TEST_F(Approving, SignsAScriptOnlyOnItsOwnProofAndForToolsOfTheRoster) {
  Json fields = statement::script_fields();
  fields.set("approver_identity", kAlice);
  const auto wanted = [&](const Json& asked, const std::string& name_space) {
    const auto parsed = statement::Statement::parse(StatementType::ApprovedScript, asked);
    const UtcTime expires_at = soon();
    static int count = 0;
    const std::string nonce = "s-" + std::to_string(++count);
    const test::Outcome signature =
        test::run({.argv = {"ssh-keygen", "-q", "-Y", "sign", "-f", key_file("alice"), "-n", name_space},
                   .input = statement::approved_script_message(*parsed->approved_script(), nonce, expires_at)});
    EXPECT_EQ(signature.exit_code, 0);
    SignJob made = job_of(StatementType::ApprovedScript, kid_of(ready_));
    made.statement_json = asked.compact();
    made.proof_json =
        Json::object(
            {{"kind", "ssh"}, {"signature", signature.out}, {"nonce", nonce}, {"expires_at", expires_at.rfc3339()}})
            .compact();
    return made;
  };
  const std::string name_space(statement::kScriptNamespace);
  const SignJob good = wanted(fields, name_space);
  const Result<SignAnswer> answer = holder_->sign(good);
  ASSERT_TRUE(answer) << answer.error().detail;
  const Json entry = *Json::parse(answer->statement_json);
  EXPECT_TRUE(statement::VerifiedDocument::verify(StatementType::ApprovedScript, entry, key_set_of(ready_)));
  EXPECT_EQ(reason(good), "approval_proof_used");
  EXPECT_EQ(reason(wanted(fields, std::string(statement::kDelegationNamespace))), "approval_proof_invalid");
  Json more = fields;
  more.set("tool_sequence", Json::array({"db.drop_table"}));
  EXPECT_EQ(reason(wanted(more, name_space)), "script_tool_refused");
  more = fields;
  more.set("ttl_seconds", 365 * 24 * 3600);
  EXPECT_EQ(reason(wanted(more, name_space)), "ttl_over_limit");
}

TEST_F(Approving, RefusesAnyOtherProof) {
  const Json fields = statement::token_fields();
  Json other = fields;
  other.set("intent_digest", std::string(64, 'a'));
  Json tampered = proof(fields, "alice", soon());
  tampered.set("nonce", "another");
  Json unknown = fields;
  unknown.set("approver_identity", "eve");
  const UtcTime past = SystemClock().now() - std::chrono::seconds(1);
  const UtcTime far = SystemClock().now() + std::chrono::minutes(10);
  const struct {
    const char* name;
    Json fields;
    std::string proof;
    const char* reason;
  } rows[] = {
      {"none", fields, "", "approval_proof_missing"},
      {"another's key", fields, proof(fields, "mallory", soon()).compact(), "approval_proof_invalid"},
      {"of another intent", fields, proof(other, "alice", soon()).compact(), "approval_proof_invalid"},
      {"of another nonce", fields, tampered.compact(), "approval_proof_invalid"},
      {"of another namespace", fields, proof(fields, "alice", soon(), "n", "file").compact(), "approval_proof_invalid"},
      {"expired", fields, proof(fields, "alice", past).compact(), "approval_proof_expired"},
      {"valid for too long", fields, proof(fields, "alice", far).compact(), "approval_proof_expired"},
      {"unix user of an approver who has a key", fields, R"({"kind":"unix_user"})", "approval_proof_invalid"},
      {"of an unknown kind", fields, R"({"kind":"word"})", "invalid"},
      {"of somebody unknown", unknown, proof(unknown, "alice", soon()).compact(), "approver_not_in_roster"},
  };
  for (const auto& row : rows) {
    SignJob wanted = job(row.fields);
    wanted.proof_json = row.proof;
    EXPECT_EQ(reason(wanted), row.reason) << row.name;
  }
}

TEST_F(Approving, TakesTheKernelsWordForTheRosteredUserOnly) {
  SignJob wanted = job(bobs_fields());
  wanted.proof_json = R"({"kind":"unix_user"})";
  wanted.peer_uid = 1002;
  EXPECT_EQ(reason(wanted), "approval_proof_invalid");
  wanted.peer_uid = 1001;
  EXPECT_EQ(reason(wanted), "");
}

TEST_F(Approving, RefusesScopesAndLifetimesBeyondTheApprovers) {
  const auto reason_with = [&](Json fields, std::string_view member, Json value) {
    fields.set(member, std::move(value));
    SignJob wanted = job(fields);
    wanted.peer_uid = 1001;
    wanted.proof_json = fields.text("approver_identity") == "bob" ? R"({"kind":"unix_user"})"
                                                                  : proof(fields, "alice", soon(), "s").compact();
    return reason(wanted);
  };
  EXPECT_EQ(reason_with(bobs_fields(), "scope", Json::array({"tool:other"})), "approver_scope_refused");
  SignJob wildcard = job(bobs_fields());
  Json fields = bobs_fields();
  fields.set("scope", Json::array({"tool:*"}));
  wildcard.statement_json = fields.compact();
  EXPECT_EQ(reason(wildcard), "scope_wildcard");
  EXPECT_EQ(reason_with(statement::token_fields(), "ttl_seconds", 2 * 3600 + 1), "ttl_over_limit");
  EXPECT_EQ(reason_with(bobs_fields(), "ttl_seconds", 24 * 3600 + 1), "ttl_over_limit");
  EXPECT_EQ(reason_with(bobs_fields(), "ttl_seconds", 24 * 3600), "");
}

}  // namespace
}  // namespace countersign::holder
