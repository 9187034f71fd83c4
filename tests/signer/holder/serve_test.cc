#include <filesystem>
#include <fstream>

#include "tests/signer/holder/holder_fixture.h"

namespace countersign::holder {
namespace {

class Serving : public OnToken {};

void write_text(const std::string& path, std::string_view text) {
  std::ofstream(path, std::ios::binary) << text;
}

// Whether the openssl command alone accepts the document's signature.
bool openssl_accepts(const Json& document, const keymgmt::PublicKey& key, const std::string& folder) {
  const Json& signature = *document.find("signature");
  write_text(folder + "/key.pem", key.pem());
  write_text(folder + "/digest", text_of(*from_hex(signature.text("signed_digest"))));
  write_text(folder + "/sig", text_of(*from_base64(signature.text("sig"))));
  const std::vector<std::string> argv =
      key.algorithm() == Algorithm::Ed25519
          ? std::vector<std::string>{"openssl",          "pkeyutl",           "-verify",      "-pubin",
                                     "-inkey",           folder + "/key.pem", "-rawin",       "-in",
                                     folder + "/digest", "-sigfile",          folder + "/sig"}
          : std::vector<std::string>{"openssl",           "dgst",       "-sha256",       "-verify",
                                     folder + "/key.pem", "-signature", folder + "/sig", folder + "/digest"};
  return test::run({argv}).exit_code == 0;
}

TEST_F(Serving, SignsWhatItsRoleSignsSoThatAnybodyCanVerifyIt) {
  const std::vector<Algorithm> both = {Algorithm::Ed25519, Algorithm::P256};
  make_keys({Role::Trace}, both);
  HolderProcess holder(settings(Role::Trace, both), token_.pin());
  const Json ready = holder.told();
  ASSERT_EQ(ready.text("event"), "ready") << ready.compact();
  const keymgmt::KeySet keys = key_set_of(ready);
  ASSERT_EQ(keys.keys().size(), 2u);
  for (const keymgmt::PublishedKey& key : keys.keys()) {
    for (const StatementType type : {StatementType::Trace, StatementType::ApprovalAudit}) {
      const SignJob job = job_of(type, key.key.kid());
      const Result<SignAnswer> answer = holder.sign(job);
      ASSERT_TRUE(answer) << answer.error().detail;
      EXPECT_EQ(answer->job_digest, sha256(job.encode()));
      EXPECT_EQ(answer->kid, key.key.kid());
      const Json document = *Json::parse(answer->statement_json);
      const auto verified = statement::VerifiedDocument::verify(type, document, keys);
      ASSERT_TRUE(verified) << verified.error().detail;
      EXPECT_EQ(verified->signed_digest(), answer->signed_digest);
      EXPECT_EQ(verified->signed_at(), answer->signed_at);
      EXPECT_EQ(sha256(*from_base64(document.find("signature")->text("sig"))), answer->signature_digest);
      EXPECT_TRUE(openssl_accepts(document, key.key, token_.folder()));
      Json forged = document;
      forged.set("tool_name", "other.tool");
      EXPECT_FALSE(statement::VerifiedDocument::verify(type, forged, keys));
    }
  }
}

TEST_F(Serving, SaysWhoItIsAndWhatIsInForce) {
  const SetupAnswer made = make_keys({Role::Trace});
  config::HolderSettings wanted = settings(Role::Trace);
  wanted.index = 3;
  HolderProcess holder(wanted, token_.pin());
  const Json ready = holder.told();
  EXPECT_EQ(ready.text("role"), "trace");
  EXPECT_EQ(ready.find("index")->as_integer(), 3);
  EXPECT_EQ(ready.find("token")->text("label"), token_.label());
  EXPECT_EQ(ready.find("token")->text("serial"), token_.serial());
  EXPECT_EQ(kid_of(ready), made.keys.at(0).key.kid());
  const std::string_view seccomp = ready.find("confinement")->text("seccomp");
  EXPECT_TRUE(seccomp == "in_force: allow-list" || seccomp == "off: sanitizer build") << seccomp;
  std::ifstream status("/proc/" + std::to_string(holder.pid()) + "/status");
  std::map<std::string, std::string> lines;
  for (std::string line; std::getline(status, line);) {
    const std::size_t colon = line.find(":\t");
    if (colon != std::string::npos) lines[line.substr(0, colon)] = line.substr(colon + 2);
  }
  EXPECT_EQ(lines["NoNewPrivs"], "1");
  EXPECT_EQ(lines["CapEff"], "0000000000000000");
  EXPECT_EQ(lines["Seccomp"], seccomp.starts_with("off") ? "0" : "2");
}

TEST_F(Serving, AnswersABatchInItsOrderAndEachItemStandsAlone) {
  make_keys({Role::Trace});
  HolderProcess holder(settings(Role::Trace), token_.pin());
  const std::string kid = kid_of(holder.told());
  SignJob broken = job_of(StatementType::Trace, kid);
  broken.statement_json = R"({"verdict":"allow"})";
  for (std::uint64_t id = 1; id <= 100; ++id) {
    holder.send(FrameKind::Sign, id * 11, (id % 10 == 0 ? broken : job_of(StatementType::Trace, kid)).encode());
  }
  holder.flush();
  for (std::uint64_t id = 1; id <= 100; ++id) {
    const auto frame = holder.frame();
    ASSERT_TRUE(frame);
    EXPECT_EQ(frame->id, id * 11);
    EXPECT_EQ(frame->kind, id % 10 == 0 ? FrameKind::Failed : FrameKind::Signed);
  }
}

TEST_F(Serving, RefusesWhatIsNotItsToSign) {
  make_keys({Role::Trace, Role::Approval});
  HolderProcess holder(settings(Role::Trace), token_.pin());
  const std::string kid = kid_of(holder.told());
  SignJob unknown_member = job_of(StatementType::Trace, kid);
  Json fields = statement::trace_fields();
  fields.set("observed_at", "2026-01-01T00:00:00Z");
  unknown_member.statement_json = fields.compact();
  SignJob repeated = job_of(StatementType::Trace, kid);
  repeated.statement_json.insert(1, R"("tool_name":"other",)");
  const struct {
    const char* name;
    SignJob job;
    const char* reason;
  } rows[] = {
      {"another role's statement", job_of(StatementType::ApprovalToken, kid), "wrong_role"},
      {"a key it does not hold", job_of(StatementType::Trace, "no-such-kid"), "kid_not_held"},
      {"a member only the holder sets", unknown_member, "invalid"},
      {"a repeated member", repeated, "repeated_member"},
  };
  for (const auto& row : rows) {
    const Result<SignAnswer> answer = holder.sign(row.job);
    ASSERT_FALSE(answer) << row.name;
    EXPECT_EQ(answer.error().wire_code(), row.reason) << row.name << ": " << answer.error().detail;
  }
  EXPECT_TRUE(holder.sign(job_of(StatementType::Trace, kid))) << "a refusal must not end the holder";
}

TEST_F(Serving, KnowsOnlyItsOwnRolesKeysOnATokenThatHoldsAll) {
  const std::vector<Role> roles = {Role::Approval, Role::Trace, Role::Release};
  const SetupAnswer made = make_keys(roles);
  ASSERT_EQ(made.keys.size(), 3u);
  for (const Role role : roles) {
    HolderProcess holder(settings(role), token_.pin());
    const Json ready = holder.told();
    ASSERT_EQ(ready.text("event"), "ready") << ready.compact();
    ASSERT_EQ(ready.find("keys")->as_array().size(), 1u);
    EXPECT_EQ(ready.find("keys")->as_array()[0].text("role"), name_of(role));
    for (const channel::HeldKey& key : made.keys) {
      if (key.role == role) {
        EXPECT_EQ(kid_of(ready), key.key.kid());
      } else if (role == Role::Trace) {
        EXPECT_EQ(holder.sign(job_of(StatementType::Trace, key.key.kid())).error().reason, "kid_not_held");
      }
    }
  }
}

TEST_F(Serving, ProvesItsKeysWhenAsked) {
  make_keys({Role::Release});
  HolderProcess holder(settings(Role::Release), token_.pin());
  holder.told();
  const auto answer = holder.ask(FrameKind::Canary);
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->kind, FrameKind::CanaryGood);
}

// The token directory changes under a holder that may only read it.
TEST_F(Serving, GoesOnWhileAnotherProgramMakesAndRemovesAKey) {
  make_keys({Role::Release});
  HolderProcess holder(settings(Role::Release), token_.pin());
  ASSERT_EQ(holder.told().text("event"), "ready");
  for (const std::vector<std::string>& act :
       {std::vector<std::string>{"--keypairgen", "--key-type", "EC:prime256v1", "--label", "other", "--id", "aa"},
        std::vector<std::string>{"--delete-object", "--type", "privkey", "--id", "aa"}}) {
    const test::Outcome outcome = pkcs11_tool(act);
    ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
    const auto answer = holder.ask(FrameKind::Canary);
    ASSERT_TRUE(answer);
    EXPECT_EQ(answer->kind, FrameKind::CanaryGood) << answer->payload;
  }
}

TEST_F(Serving, KeepsTheTwoNewestAnchorsAndReportsOneThatDoesNotRead) {
  make_keys({Role::Trace});
  HolderProcess holder(settings(Role::Trace), token_.pin());
  holder.told();
  const auto anchors = [&holder]() -> Json {
    const auto answer = holder.ask(FrameKind::ReadAnchors);
    if (!answer || answer->kind != FrameKind::Anchors) return Json();
    return *Json::parse(answer->payload);
  };
  EXPECT_EQ(anchors(), Json(Json::Array{}));
  for (int size = 1; size <= 4; ++size) {
    const channel::Anchor anchor{static_cast<std::uint64_t>(size), sha256(std::to_string(size)),
                                 UtcTime::from_unix(1'800'000'000 + size)};
    const auto answer = holder.ask(FrameKind::WriteAnchor, anchor.to_json().compact());
    ASSERT_TRUE(answer);
    ASSERT_EQ(answer->kind, FrameKind::AnchorWritten) << answer->payload;
  }
  std::set<std::int64_t> sizes;
  const Json two = anchors();
  for (const Json& anchor : two.as_array()) sizes.insert(anchor.find("size")->as_integer());
  EXPECT_EQ(sizes, (std::set<std::int64_t>{3, 4}));

  std::ofstream(token_.folder() + "/torn") << R"({"at":"2027-01-15T)";
  const test::Outcome planted = pkcs11_tool({"--write-object", token_.folder() + "/torn", "--type", "data", "--label",
                                             "countersign-anchor", "--application-label", "countersign"});
  ASSERT_EQ(planted.exit_code, 0) << planted.err;
  const Json three = anchors();
  ASSERT_EQ(three.as_array().size(), 3u);
  int findings = 0;
  for (const Json& anchor : three.as_array()) findings += anchor.find("finding") != nullptr ? 1 : 0;
  EXPECT_EQ(findings, 1);
}

TEST_F(Serving, LeavesAnchorsToTheOneHolderThatKeepsThem) {
  make_keys({Role::Trace});
  config::HolderSettings second = settings(Role::Trace);
  second.anchors = false;
  HolderProcess holder(second, token_.pin());
  holder.told();
  const channel::Anchor anchor{1, sha256("root"), UtcTime::from_unix(1'800'000'000)};
  for (const FrameKind kind : {FrameKind::WriteAnchor, FrameKind::ReadAnchors}) {
    const auto answer = holder.ask(kind, anchor.to_json().compact());
    ASSERT_TRUE(answer);
    ASSERT_EQ(answer->kind, FrameKind::Failed);
    EXPECT_EQ(channel::decode_error(answer->payload).reason, "no_anchors_here");
  }
}

TEST_F(Serving, EndsQuietlyWithItsFrontOrItsSupervisor) {
  make_keys({Role::Trace});
  {
    HolderProcess holder(settings(Role::Trace), token_.pin());
    holder.told();
    holder.close_frames();
    EXPECT_EQ(holder.exit(), HolderExit::Stopped);
  }
  {
    HolderProcess holder(settings(Role::Trace), token_.pin());
    holder.told();
    holder.close_control();
    EXPECT_EQ(holder.exit(), HolderExit::Stopped);
  }
}

TEST_F(Serving, EndsAtAFrameThatNoneOfOursWrites) {
  make_keys({Role::Trace});
  std::string unknown_kind;
  channel::append_frame(unknown_kind, static_cast<FrameKind>(99), 1, "");
  std::string holders_own;
  channel::append_frame(holders_own, FrameKind::Signed, 1, "");
  std::string broken_job;
  channel::append_frame(broken_job, FrameKind::Sign, 1, "nonsense");
  std::string broken_anchor;
  channel::append_frame(broken_anchor, FrameKind::WriteAnchor, 1, "{}");
  for (const std::string& bytes : {unknown_kind, holders_own, broken_job, broken_anchor, std::string(13, '\xff')}) {
    HolderProcess holder(settings(Role::Trace), token_.pin());
    ASSERT_EQ(holder.told().text("event"), "ready");
    ASSERT_EQ(send(holder.frames(), bytes.data(), bytes.size(), MSG_NOSIGNAL), static_cast<ssize_t>(bytes.size()));
    const Json lost = holder.told();
    EXPECT_EQ(lost.text("event"), "lost");
    EXPECT_EQ(lost.text("code"), "peer_nonsense");
    EXPECT_EQ(holder.exit(), HolderExit::PeerNonsense);
  }
}

TEST_F(Serving, EndsWhenItGrowsPastItsBound) {
  make_keys({Role::Trace});
  config::HolderSettings small = settings(Role::Trace);
  small.memory = 4096;
  HolderProcess holder(small, token_.pin());
  ASSERT_EQ(holder.told().text("event"), "ready");
  EXPECT_EQ(holder.told().text("code"), "memory");
  EXPECT_EQ(holder.exit(), HolderExit::Memory);
}

}  // namespace
}  // namespace countersign::holder
