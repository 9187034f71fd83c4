// What the roles `publication` and `log` sign.
#include <gtest/gtest.h>

#include "signer/statement/statement.h"
#include "tests/signer/statement/examples.h"
#include "tests/support/software_key.h"

namespace countersign::statement {
namespace {

constexpr StatementType kTuf[] = {StatementType::TufTimestamp, StatementType::TufSnapshot, StatementType::TufRevoked};
const Stamp kStamp{.now = kNow};

Result<Json> sealed(StatementType type, const Json& fields, const test::SoftwareKey& key) {
  ASSIGN_OR_RETURN(const Statement statement, Statement::parse(type, JsonTree(fields)));
  ASSIGN_OR_RETURN(UnsignedDocument document, statement.rebuild(kStamp));
  const Bytes signature = key.sign(document.message());
  ASSIGN_OR_RETURN(const JsonTree file, std::move(document).seal(key.public_key(), signature));
  return file.root().json();
}

TEST(OnlineStatement, TufMetadataIsSignedOverItsCanonicalFormWithTheHoldersExpiry) {
  for (const keymgmt::Algorithm algorithm : keymgmt::kAlgorithms) {
    const test::SoftwareKey key(algorithm);
    for (const StatementType type : kTuf) {
      const Result<Json> file = sealed(type, fields_of(type), key);
      ASSERT_TRUE(file) << file.error().detail;
      const Json& part = *file->find("signed");
      EXPECT_EQ(part.text("_type"), row_of(type).schema_id);
      EXPECT_EQ(part.text("expires"), (kNow.whole_seconds() + std::chrono::seconds(600)).rfc3339());
      const Json& signature = file->find("signatures")->as_array().front();
      Bytes raw = *from_hex(signature.text("sig"));
      if (algorithm == keymgmt::Algorithm::P256) raw = *keymgmt::ecdsa_r_and_s(raw);
      EXPECT_TRUE(key.public_key().verify(view_of(part.canonical()), raw));
    }
  }
}

TEST(OnlineStatement, RevokedCanNameItsOneTargetAndNoOther) {
  const Result<Json> file = sealed(StatementType::TufRevoked, fields_of(StatementType::TufRevoked),
                                   test::SoftwareKey(keymgmt::Algorithm::Ed25519));
  ASSERT_TRUE(file);
  const Json::Object& targets = file->find("signed")->find("targets")->as_object();
  ASSERT_EQ(targets.size(), 1U);
  EXPECT_EQ(targets.front().first, "revoked.json");
  Json more = fields_of(StatementType::TufRevoked);
  more.set("targets", Json::object({{"keyset.json", 1}}));
  EXPECT_FALSE(Statement::parse(StatementType::TufRevoked, JsonTree(more)));
}

TEST(OnlineStatement, AnotherKeysSignatureIsNotSealed) {
  const auto statement = Statement::parse(StatementType::TufSnapshot, JsonTree(fields_of(StatementType::TufSnapshot)));
  ASSERT_TRUE(statement);
  auto document = statement->rebuild(kStamp);
  ASSERT_TRUE(document);
  const test::SoftwareKey thief(std::uint8_t{1});
  const Bytes signature = thief.sign(document->message());
  const auto file = std::move(*document).seal(test::SoftwareKey(std::uint8_t{2}).public_key(), signature);
  ASSERT_FALSE(file);
  EXPECT_EQ(file.error().code, ErrorCode::VerificationFailed);
}

TEST(OnlineStatement, ACheckpointIsASignedNote) {
  const test::SoftwareKey key(std::uint8_t{3});
  const Result<Json> file = sealed(StatementType::LogCheckpoint, fields_of(StatementType::LogCheckpoint), key);
  ASSERT_TRUE(file) << file.error().detail;
  const std::string note(file->text("note"));
  const std::string body = "signer.example/log\n8\neTFhDrN422bJVLZuD2kEMFOgraczv9oW54GIRNHwqw4=\n";
  ASSERT_TRUE(note.starts_with(body + "\n\u2014 signer.example/log ")) << note;
  const std::size_t at = note.rfind(' ') + 1;
  const Bytes line = *from_base64(std::string_view(note).substr(at, note.size() - at - 1));
  ASSERT_EQ(line.size(), 68U);
  EXPECT_TRUE(key.public_key().verify(view_of(body), ByteView(line).subspan(4)));
}

struct BadFields {
  const char* name;
  StatementType type;
  const char* member;
  Json value;
};

TEST(OnlineStatement, BadFieldsAreRefused) {
  const BadFields cases[] = {
      {"version zero", StatementType::TufTimestamp, "version", 0},
      {"a life of ten years", StatementType::TufTimestamp, "lifetime", 315360000},
      {"no life", StatementType::TufSnapshot, "lifetime", 0},
      {"an expiry of the caller", StatementType::TufSnapshot, "expires", "2099-01-01T00:00:00Z"},
      {"no digest", StatementType::TufRevoked, "sha256", "abc"},
      {"a negative size", StatementType::LogCheckpoint, "size", -1},
      {"an origin of two lines", StatementType::LogCheckpoint, "origin", "a\nb"},
      {"an origin with a plus", StatementType::LogCheckpoint, "origin", "a+b"},
  };
  for (const BadFields& each : cases) {
    Json fields = fields_of(each.type);
    ASSERT_TRUE(Statement::parse(each.type, JsonTree(fields))) << each.name;
    fields.set(each.member, each.value);
    EXPECT_FALSE(Statement::parse(each.type, JsonTree(fields))) << each.name;
  }
}

TEST(OnlineStatement, IsNoDocumentOfGait) {
  const test::SoftwareKey key(std::uint8_t{4});
  for (const StatementType type : kTuf) {
    const Result<Json> file = sealed(type, fields_of(type), key);
    ASSERT_TRUE(file);
    const auto verified = VerifiedDocument::verify(type, *file, keymgmt::KeySet());
    ASSERT_FALSE(verified);
    EXPECT_EQ(verified.error().reason, "not_verified_here");
  }
}

}  // namespace
}  // namespace countersign::statement
