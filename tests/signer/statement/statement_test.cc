#include "signer/statement/statement.h"

#include <gtest/gtest.h>

#include "signer/statement/structure.h"
#include "tests/signer/statement/examples.h"
#include "tests/support/software_key.h"

namespace countersign::statement {
namespace {

const Stamp kStamp{.now = kNow, .sequence = 42, .token_id = std::string(kTokenId)};

Json rebuilt(StatementType type, Json fields) {
  const auto statement = Statement::parse(type, std::move(fields));
  EXPECT_TRUE(statement) << statement.error().detail;
  return statement->rebuild(kStamp)->document().root().json();
}

std::vector<std::string> names(const Json& object) {
  std::vector<std::string> out;
  for (const Json::Member& member : object.as_object()) out.push_back(member.first);
  return out;
}

TEST(Statement, RowsNameRoleAndSchema) {
  for (const StatementType type : kTypes) EXPECT_EQ(statement_type_named(row_of(type).name), type);
  EXPECT_EQ(row_of(StatementType::ApprovalToken).role, keymgmt::Role::Approval);
  EXPECT_EQ(row_of(StatementType::Trace).role, keymgmt::Role::Trace);
  EXPECT_EQ(row_of(StatementType::ApprovalAudit).role, keymgmt::Role::Trace);
  EXPECT_FALSE(statement_type_named("bytes"));
}

TEST(Trace, HasTheIdsOfGait) {
  // From a recorded run: trace_id of case 094, event_id of its trace_one.json.
  EXPECT_EQ(trace_id(*Digest::parse("bd4e5d7ef6c776952ab2dd0db8f097584ea9c7c1231e6727a69887768ec9f108"),
                     *Digest::parse("5e05e3b0da6e6d0f199184f3e091364b4f27ab2932f43e9a915c33e728295eb9"),
                     Verdict::RequireApproval),
            "d2d3c76801c3449f111d9b91");
  const Json trace = rebuilt(StatementType::Trace, trace_fields());
  const std::string text = std::string(trace.text("trace_id")) + ":" + std::string(trace.text("observed_at"));
  EXPECT_EQ(trace.text("event_id"), sha256(text).hex().substr(0, 24));
}

TEST(Trace, IsRebuiltInFileOrderWithTheHoldersMembers) {
  const Json trace = rebuilt(StatementType::Trace, trace_fields());
  const std::vector<std::string> expected = {
      "schema_id",     "schema_version", "created_at",     "observed_at",    "producer_version",
      "trace_id",      "event_id",       "correlation_id", "tool_name",      "args_digest",
      "intent_digest", "policy_digest",  "agent_id",       "agent_identity", "credential_ttl_seconds",
      "policy_id",     "policy_version", "verdict",        "script",         "step_count",
      "step_verdicts", "violations",     "latency_ms",     "freeze_window",  "relationship",
      "countersign"};
  EXPECT_EQ(names(trace), expected);
  EXPECT_EQ(trace.text("observed_at"), "2027-01-15T08:00:00.1234567Z");
  EXPECT_EQ(trace.text("producer_version"), COUNTERSIGN_VERSION);
  EXPECT_EQ(trace.find("countersign")->find("sequence")->as_integer(), 42);
  EXPECT_EQ(trace.find("latency_ms")->as_double(), 73.0 / 1024);
}

TEST(Trace, KeepsTheScoresOfATrustedServerAsTheyWereGiven) {
  Json fields = trace_fields();
  fields.set("mcp_trust", Json::object({{"server_id", "github"}, {"score", 0.95}, {"threshold", 0.8}}));
  const Json trace = rebuilt(StatementType::Trace, fields);
  const Json trust = *trace.find("mcp_trust");
  EXPECT_EQ(trust.compact(),
            R"({"server_id":"github","score":0.95,"threshold":0.8,"updated_at":"0001-01-01T00:00:00Z"})");
}

TEST(Trace, KeepsTheOrderWhateverTheCallers) {
  Json shuffled = trace_fields();
  std::reverse(shuffled.as_object().begin(), shuffled.as_object().end());
  EXPECT_EQ(rebuilt(StatementType::Trace, shuffled), rebuilt(StatementType::Trace, trace_fields()));
}

TEST(Trace, CarriesTheDigestOfItsFactsSortedAmongTheRelatedIds) {
  const Json trace = rebuilt(StatementType::Trace, trace_fields());
  const std::string id = "countersign:" + trace.find("countersign")->digest().hex();
  std::vector<std::string> ids;
  for (const Json& other : trace.find("relationship")->find("related_entity_ids")->as_array()) {
    ids.push_back(other.as_string());
  }
  EXPECT_TRUE(std::is_sorted(ids.begin(), ids.end()));
  EXPECT_EQ(std::count(ids.begin(), ids.end(), id), 1);
  EXPECT_EQ(ids.size(), 4u);
}

TEST(Trace, GetsARelationshipWhereItHasNone) {
  for (const bool skill : {false, true}) {
    Json fields = trace_fields();
    fields.erase("relationship");
    if (skill) fields.set("skill_provenance", *Json::parse(R"({"skill_name":"s","source":"git","publisher":"acme"})"));
    const Json trace = rebuilt(StatementType::Trace, fields);
    EXPECT_EQ(names(*trace.find("relationship")), std::vector<std::string>{"related_entity_ids"});
    const std::vector<std::string> order = names(trace);
    EXPECT_EQ(order[order.size() - (skill ? 3 : 2)], "relationship");
  }
  Json fields = trace_fields();
  fields.set("relationship", *Json::parse(R"({"agent_lineage":[{"agent_id":"a"}],"parent_record_id":"p"})"));
  EXPECT_EQ(names(*rebuilt(StatementType::Trace, fields).find("relationship")),
            (std::vector<std::string>{"parent_record_id", "related_entity_ids", "agent_lineage"}));
}

TEST(Trace, LeavesOutWhatGaitLeavesOut) {
  Json fields = trace_fields();
  fields.set("run_id", "");
  fields.set("violations", Json::Array{});
  fields.set("script", false);
  fields.set("step_count", 0);
  fields.set("latency_ms", 0.0);
  const Json trace = rebuilt(StatementType::Trace, fields);
  for (const char* name : {"run_id", "violations", "script", "step_count", "latency_ms"}) {
    EXPECT_EQ(trace.find(name), nullptr) << name;
  }
}

TEST(Trace, FactsReadBack) {
  const auto statement = Statement::parse(StatementType::Trace, trace_fields());
  ASSERT_TRUE(statement);
  const DecisionFacts& facts = statement->trace()->facts;
  EXPECT_EQ(facts.requester, "zoe@team.example");
  EXPECT_EQ(facts.reason_codes, (std::vector<std::string>{"approval_token_missing", "rule_w"}));
  EXPECT_EQ(facts.required_approvals, 2);
  EXPECT_TRUE(facts.distinct_approvers && facts.destructive);
  Json again = trace_fields();
  again.set("countersign", to_json(facts));
  EXPECT_EQ(rebuilt(StatementType::Trace, again), rebuilt(StatementType::Trace, trace_fields()));
  EXPECT_EQ(statement->trace()->verdict, Verdict::RequireApproval);
  EXPECT_EQ(statement->approval_token(), nullptr);
}

TEST(ApprovalToken, IsRebuiltInGaitsOrder) {
  const Json token = rebuilt(StatementType::ApprovalToken, token_fields());
  EXPECT_EQ(names(token), (std::vector<std::string>{"schema_id", "schema_version", "created_at", "producer_version",
                                                    "token_id", "approver_identity", "reason_code", "intent_digest",
                                                    "policy_digest", "scope", "max_targets", "expires_at"}));
  EXPECT_EQ(token.text("created_at"), "2027-01-15T08:00:00Z");
  EXPECT_EQ(token.text("expires_at"), "2027-01-15T09:00:00Z");
  EXPECT_EQ(token.text("token_id"), kTokenId);
  EXPECT_EQ(token.find("scope")->compact(), R"(["phase:apply","tool:db.drop_table"])");
}

TEST(ApprovalToken, NamesABareScopeWordAsATool) {
  Json fields = token_fields();
  fields.set("scope", Json::Array{Json(" Tool.Write "), Json("tool:tool.write")});
  EXPECT_EQ(rebuilt(StatementType::ApprovalToken, fields).find("scope")->compact(), R"(["tool:tool.write"])");
  // One tool of that name, not two.
  fields.set("scope", Json::Array{Json("tool:a,tool:b")});
  EXPECT_EQ(rebuilt(StatementType::ApprovalToken, fields).find("scope")->compact(), R"(["tool:a,tool:b"])");
}

TEST(ApprovalToken, IsRefusedWithAWildcard) {
  for (const char* word : {"*", "tool:*", "tool:db.*", "**"}) {
    Json fields = token_fields();
    fields.set("scope", Json::Array{Json("tool:x"), Json(word)});
    const auto refused = Statement::parse(StatementType::ApprovalToken, fields);
    ASSERT_FALSE(refused) << word;
    EXPECT_EQ(refused.error().code, ErrorCode::Refused) << word;
    EXPECT_EQ(refused.error().reason, "scope_wildcard") << word;
  }
}

TEST(ApprovalToken, IsRefusedWithoutAProperTokenId) {
  const auto statement = Statement::parse(StatementType::ApprovalToken, token_fields());
  for (const char* id : {"", "short", "00112233445566778899AABB", "00112233445566778899aabbcc"}) {
    EXPECT_FALSE(statement->rebuild({.now = kNow, .token_id = id})) << id;
  }
  EXPECT_TRUE(statement->rebuild(kStamp));
}

TEST(ApprovalAudit, KeepsGaitsNullAndGetsTheTimeOfSigning) {
  Json fields = audit_fields();
  EXPECT_TRUE(rebuilt(StatementType::ApprovalAudit, fields).find("entries")->is_array());
  fields.set("entries", Json());
  const Json audit = rebuilt(StatementType::ApprovalAudit, fields);
  EXPECT_TRUE(audit.find("entries")->is_null());
  EXPECT_EQ(audit.text("created_at"), "2026-06-08T21:14:00Z");
  EXPECT_EQ(audit.text("observed_at"), kNow.rfc3339());
  EXPECT_EQ(names(audit)[0], "schema_id");
  EXPECT_EQ(names(audit)[3], "observed_at");
  fields.set("entries", Json::Array{});
  EXPECT_EQ(rebuilt(StatementType::ApprovalAudit, fields).find("entries")->compact(), "[]");
}

struct Change {
  const char* name;
  StatementType type;
  void (*make)(Json& fields);
};
constexpr auto kTrace = StatementType::Trace;
constexpr auto kToken = StatementType::ApprovalToken;
constexpr auto kDelegation = StatementType::DelegationToken;
constexpr auto kDelegationAudit = StatementType::DelegationAudit;
constexpr auto kEvidence = StatementType::CredentialEvidence;
constexpr auto kAttestation = StatementType::StateAttestation;
constexpr auto kAudit = StatementType::ApprovalAudit;
constexpr auto kScript = StatementType::ApprovedScript;

const Change kRefused[] = {
    {"unknown member", kTrace, [](Json& f) { f.set("extra", 1); }},
    {"member in another case", kTrace, [](Json& f) { f.set("Run_id", "r"); }},
    {"schema_id", kTrace, [](Json& f) { f.set("schema_id", "gait.gate.trace"); }},
    {"observed_at", kTrace, [](Json& f) { f.set("observed_at", "2026-01-01T00:00:00Z"); }},
    {"trace_id", kTrace, [](Json& f) { f.set("trace_id", "d2d3c76801c3449f111d9b91"); }},
    {"event_id", kTrace, [](Json& f) { f.set("event_id", "d2d3c76801c3449f111d9b91"); }},
    {"signature", kTrace, [](Json& f) { f.set("signature", Json(Json::Object{})); }},
    {"no facts", kTrace, [](Json& f) { f.erase("countersign"); }},
    {"facts are text", kTrace, [](Json& f) { f.set("countersign", "x"); }},
    {"unknown fact", kTrace, [](Json& f) { f.find("countersign")->set("sequence", 7); }},
    {"missing requester", kTrace, [](Json& f) { f.find("countersign")->erase("requester"); }},
    {"empty requester", kTrace, [](Json& f) { f.find("countersign")->set("requester", ""); }},
    {"negative approvals", kTrace, [](Json& f) { f.find("countersign")->set("required_approvals", -1); }},
    {"unknown context source", kTrace, [](Json& f) { f.find("countersign")->set("context_source", "rumour"); }},
    {"a countersign id of the caller's", kTrace,
     [](Json& f) { f.find("relationship")->find("related_entity_ids")->as_array().emplace_back("countersign:00"); }},
    {"missing verdict", kTrace, [](Json& f) { f.erase("verdict"); }},
    {"unknown verdict", kTrace, [](Json& f) { f.set("verdict", "Allow"); }},
    {"missing time", kTrace, [](Json& f) { f.erase("created_at"); }},
    {"bad time", kTrace, [](Json& f) { f.set("created_at", "2026-02-30T00:00:00Z"); }},
    {"null", kTrace, [](Json& f) { f.set("run_id", Json()); }},
    {"short digest", kTrace, [](Json& f) { f.set("intent_digest", "00"); }},
    {"digest in upper case", kTrace, [](Json& f) { f.set("args_digest", std::string(64, 'A')); }},
    {"empty digest", kTrace, [](Json& f) { f.set("policy_digest", ""); }},
    {"number as text", kTrace, [](Json& f) { f.set("step_count", "2"); }},
    {"fraction for an integer", kTrace, [](Json& f) { f.set("step_count", 1.5); }},
    {"integer of 2^53", kTrace, [](Json& f) { f.set("step_count", std::int64_t{1} << 53); }},
    {"latency of 2^53", kTrace, [](Json& f) { f.set("latency_ms", 9007199254740992.0); }},
    {"flag as number", kTrace, [](Json& f) { f.set("script", 1); }},
    {"list as text", kTrace, [](Json& f) { f.set("violations", "v"); }},
    {"number in a list of texts", kTrace, [](Json& f) { f.set("violations", Json::Array{Json(1)}); }},
    {"long text", kTrace, [](Json& f) { f.set("run_id", std::string(4097, 'x')); }},
    {"long list", kTrace, [](Json& f) { f.set("violations", Json::Array(1025, Json("v"))); }},
    {"U+007F", kTrace, [](Json& f) { f.set("run_id", "a\x7f"); }},
    {"U+007F in a list", kTrace, [](Json& f) { f.set("violations", Json::Array{Json("\x7f")}); }},
    {"unknown member of a structure", kTrace, [](Json& f) { f.find("relationship")->set("note", "n"); }},
    {"structure as text", kTrace, [](Json& f) { f.set("relationship", "r"); }},
    {"edge without its end", kTrace, [](Json& f) { f.find("relationship")->find("edges")->as_array()[0].erase("to"); }},
    {"step without verdict", kTrace, [](Json& f) { f.find("step_verdicts")->as_array()[0].erase("verdict"); }},
    {"text as element of a list of structures", kTrace,
     [](Json& f) { f.find("step_verdicts")->as_array().emplace_back("x"); }},
    {"unknown member", kToken, [](Json& f) { f.set("token_id", "x"); }},
    {"expires_at", kToken, [](Json& f) { f.set("expires_at", "2030-01-01T00:00:00Z"); }},
    {"no approver", kToken, [](Json& f) { f.erase("approver_identity"); }},
    {"blank approver", kToken, [](Json& f) { f.set("approver_identity", " \t"); }},
    {"blank reason", kToken, [](Json& f) { f.set("reason_code", " "); }},
    {"no scope", kToken, [](Json& f) { f.set("scope", Json::Array{}); }},
    {"blank scope", kToken, [](Json& f) { f.set("scope", Json::Array{Json(" ")}); }},
    {"scope without kind", kToken, [](Json& f) { f.set("scope", Json::Array{Json(":x")}); }},
    {"scope without name", kToken, [](Json& f) { f.set("scope", Json::Array{Json("tool:")}); }},
    {"no delegator", kDelegation, [](Json& f) { f.erase("delegator_identity"); }},
    {"blank delegate", kDelegation, [](Json& f) { f.set("delegate_identity", " "); }},
    {"delegation without scope", kDelegation, [](Json& f) { f.set("scope", Json::Array{Json(" ")}); }},
    {"delegated comma", kDelegation, [](Json& f) { f.set("scope", Json::Array{Json("a,b")}); }},
    {"delegated intent", kDelegation, [](Json& f) { f.set("intent_digest", "A0"); }},
    {"delegation for ever", kDelegation, [](Json& f) { f.set("ttl_seconds", kLargestInteger); }},
    {"delegation for no time", kDelegation, [](Json& f) { f.set("ttl_seconds", 0); }},
    {"delegation id", kDelegation, [](Json& f) { f.set("token_id", std::string(kTokenId)); }},
    {"script without a name", kScript, [](Json& f) { f.set("pattern_id", " "); }},
    {"script of no tools", kScript, [](Json& f) { f.set("tool_sequence", Json::Array{}); }},
    {"script of a comma", kScript, [](Json& f) { f.set("tool_sequence", Json::Array{Json("a,b")}); }},
    {"script hash", kScript, [](Json& f) { f.set("script_hash", "A0"); }},
    {"script's policy", kScript, [](Json& f) { f.erase("policy_digest"); }},
    {"script for ever", kScript, [](Json& f) { f.set("ttl_seconds", kLargestInteger); }},
    {"script's end", kScript, [](Json& f) { f.set("expires_at", "2090-01-01T00:00:00Z"); }},
    {"negative delegations", kDelegationAudit, [](Json& f) { f.set("valid_delegations", -1); }},
    {"unknown in an entry", kDelegationAudit, [](Json& f) { f.find("entries")->as_array()[0].set("x", 1); }},
    {"no reference", kEvidence, [](Json& f) { f.erase("credential_ref"); }},
    {"a secret's name", kEvidence, [](Json& f) { f.set("credential", "s3cr3t"); }},
    {"negative ttl", kEvidence, [](Json& f) { f.set("ttl_seconds", -1); }},
    {"attests a trace", kAttestation, [](Json& f) { f.set("subject_schema_id", "gait.gate.trace"); }},
    {"attests nothing", kAttestation, [](Json& f) { f.erase("subject_digest"); }},
    {"attests by its own time", kAttestation, [](Json& f) { f.set("observed_at", "2026-01-01T00:00:00Z"); }},
    {"no ttl", kToken, [](Json& f) { f.erase("ttl_seconds"); }},
    {"ttl of zero", kToken, [](Json& f) { f.set("ttl_seconds", 0); }},
    {"ttl as duration", kToken, [](Json& f) { f.set("ttl_seconds", "1h"); }},
    {"ttl of centuries", kToken, [](Json& f) { f.set("ttl_seconds", std::int64_t{1} << 40); }},
    {"negative limit", kToken, [](Json& f) { f.set("max_ops", -1); }},
    {"short binding", kToken, [](Json& f) { f.set("delegation_binding_digest", "ab"); }},
    {"no entries", kAudit, [](Json& f) { f.erase("entries"); }},
    {"negative count", kAudit, [](Json& f) { f.set("valid_approvals", -1); }},
    {"unknown member of an entry", kAudit, [](Json& f) { f.find("entries")->as_array()[0].set("x", 1); }},
    {"producer_version", kAudit, [](Json& f) { f.set("producer_version", "9"); }},
};

TEST(DelegationToken, IsNeverForEverythingNorToOneself) {
  Json wildcard = delegation_fields();
  wildcard.set("scope", Json::Array{Json("*")});
  EXPECT_EQ(Statement::parse(kDelegation, wildcard).error().reason, "scope_wildcard");
  Json own = delegation_fields();
  own.set("delegate_identity", "Lead@Team.example ");
  EXPECT_EQ(Statement::parse(kDelegation, own).error().reason, "delegation_to_self");
}

TEST(ApprovedScript, IsNeverForEveryTool) {
  for (const char* name : {"tool_sequence", "scope"}) {
    Json fields = script_fields();
    fields.set(name, Json::Array{Json("tool:*")});
    EXPECT_EQ(Statement::parse(kScript, fields).error().reason, "scope_wildcard") << name;
  }
}

TEST(Statement, IsReadStrictly) {
  for (const Change& change : kRefused) {
    Json fields = fields_of(change.type);
    ASSERT_TRUE(Statement::parse(change.type, fields)) << row_of(change.type).name;
    change.make(fields);
    const auto refused = Statement::parse(change.type, fields);
    ASSERT_FALSE(refused) << row_of(change.type).name << ": " << change.name;
    EXPECT_EQ(refused.error().code, ErrorCode::Invalid) << change.name;
  }
  for (const StatementType type : kTypes) EXPECT_FALSE(Statement::parse(type, Json(Json::Array{})));
}

TEST(Statement, NamesTheMemberItRefuses) {
  Json fields = trace_fields();
  fields.find("relationship")->find("edges")->as_array()[0].find("from")->set("id", 7);
  EXPECT_EQ(Statement::parse(kTrace, fields).error().detail, "from.id: must be a string");
}

class Verification : public testing::Test {
 protected:
  Verification() {
    for (const keymgmt::Algorithm algorithm : keymgmt::kAlgorithms) {
      for (const keymgmt::Role role : {keymgmt::Role::Approval, keymgmt::Role::Trace}) {
        software_.emplace_back(algorithm);
        published_.push_back({.key = software_.back().public_key(),
                              .role = role,
                              .state = keymgmt::KeyState::Active,
                              .not_before = kNow - std::chrono::hours(1)});
      }
    }
    keys_ = keymgmt::KeySet(1, kNow, published_);
  }

  const test::SoftwareKey& key(keymgmt::Role role, keymgmt::Algorithm algorithm) const {
    for (std::size_t i = 0; i < published_.size(); ++i) {
      if (published_[i].role == role && published_[i].key.algorithm() == algorithm) return software_[i];
    }
    std::abort();
  }

  static Json sealed(StatementType type, const test::SoftwareKey& key, UtcTime now = kNow) {
    auto document = Statement::parse(type, fields_of(type))
                        ->rebuild({.now = now, .sequence = 1, .token_id = std::string(kTokenId)});
    const Bytes signature = key.sign(document->signed_digest().bytes());
    return std::move(*document).seal(key.public_key(), signature)->root().json();
  }

  std::string outcome(StatementType type, const Json& document) const {
    const auto verified = VerifiedDocument::verify(type, document, keys_);
    return verified ? "ok" : verified.error().wire_code();
  }

  std::vector<test::SoftwareKey> software_;
  std::vector<keymgmt::PublishedKey> published_;
  keymgmt::KeySet keys_;
};

TEST_F(Verification, AcceptsWhatWasSealed) {
  for (const StatementType type : kTypes) {
    for (const keymgmt::Algorithm algorithm : keymgmt::kAlgorithms) {
      const Json document = sealed(type, key(row_of(type).role, algorithm));
      const auto verified = VerifiedDocument::verify(type, *Json::parse(document.gait_file(), {.gait = true}), keys_);
      ASSERT_TRUE(verified) << row_of(type).name << " " << name_of(algorithm) << " " << verified.error().detail;
      EXPECT_EQ(verified->document(), document);
      EXPECT_EQ(verified->key().key.algorithm(), algorithm);
      const bool whole_seconds = row_of(type).role == keymgmt::Role::Approval || type == StatementType::SayToken;
      EXPECT_EQ(verified->signed_at(), whole_seconds ? kNow.whole_seconds() : kNow);
      EXPECT_EQ(*gait_signed_digest(type, document), verified->signed_digest());
    }
  }
}

TEST_F(Verification, RefusesEveryChangeOfAMember) {
  for (const StatementType type : kTypes) {
    const Json good = sealed(type, key(row_of(type).role, keymgmt::Algorithm::Ed25519));
    for (const Json::Member& member : good.as_object()) {
      Json changed = good;
      Json& value = *changed.find(member.first);
      if (value.is_string())
        value = Json(value.as_string() + "0");
      else if (value.is_bool())
        value = Json(!value.as_bool());
      else if (value.is_number())
        value = Json(value.as_double() + 1);
      else if (value.is_array())
        value.as_array().pop_back();
      else
        changed.erase(member.first);
      EXPECT_NE(outcome(type, changed), "ok") << row_of(type).name << " changed " << member.first;
    }
  }
}

TEST_F(Verification, RefusesAnotherRoleKeyTimeOrAlgorithm) {
  const auto& trace_key = key(keymgmt::Role::Trace, keymgmt::Algorithm::Ed25519);
  EXPECT_EQ(outcome(kTrace, sealed(kTrace, trace_key)), "ok");
  EXPECT_EQ(outcome(kToken, sealed(kToken, trace_key)), "wrong_role");
  EXPECT_EQ(outcome(kTrace, sealed(kTrace, test::SoftwareKey(keymgmt::Algorithm::Ed25519))), "unknown_key");
  EXPECT_EQ(outcome(kTrace, sealed(kTrace, trace_key, kNow - std::chrono::hours(2))), "key_not_valid_then");
  EXPECT_EQ(outcome(kToken, sealed(kTrace, trace_key)), "invalid");

  Json renamed = sealed(kTrace, trace_key);
  renamed.find("signature")->set("alg", "ecdsa-p256-sha256");
  EXPECT_EQ(outcome(kTrace, renamed), "signature_invalid");
  Json by_kid = sealed(kTrace, trace_key);  // another name of the same key is no key_id
  by_kid.find("signature")->set("key_id", trace_key.public_key().kid());
  EXPECT_EQ(outcome(kTrace, by_kid), "unknown_key");
  Json unsigned_trace = sealed(kTrace, trace_key);
  unsigned_trace.erase("signature");
  EXPECT_EQ(outcome(kTrace, unsigned_trace), "signature_missing");
}

TEST_F(Verification, DemandsTheFactsThatWereSigned) {
  const Json good = sealed(kTrace, key(keymgmt::Role::Trace, keymgmt::Algorithm::Ed25519));
  Json stripped = good;
  stripped.erase("countersign");
  EXPECT_EQ(outcome(kTrace, stripped), "countersign_mismatch");
  Json changed = good;
  changed.find("countersign")->set("required_approvals", 0);
  EXPECT_EQ(outcome(kTrace, changed), "countersign_mismatch");
  Json other_case = good;
  for (Json::Member& member : other_case.as_object()) {
    if (member.first == "countersign") member.first = "Countersign";
  }
  EXPECT_EQ(outcome(kTrace, other_case), "countersign_mismatch");
}

TEST_F(Verification, RefusesASignatureOfTheWrongLengthToSeal) {
  auto document = Statement::parse(kTrace, trace_fields())->rebuild(kStamp);
  EXPECT_FALSE(std::move(*document).seal(software_[0].public_key(), Bytes(63)));
}

}  // namespace
}  // namespace countersign::statement
