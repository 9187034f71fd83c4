// The manifest of an evidence pack as a statement.
#include "signer/statement/evidence_pack_fields.h"

#include <gtest/gtest.h>

#include "tests/signer/statement/examples.h"
#include "tests/support/software_key.h"

namespace countersign::statement {
namespace {

constexpr auto kPack = StatementType::EvidencePack;

Json sealed_pack(const test::SoftwareKey& key, Json fields = pack_fields()) {
  UnsignedDocument document = *Statement::parse(kPack, std::move(fields))->rebuild({.now = kNow});
  const Digest digest = document.signed_digest();
  return std::move(document).seal(key.public_key(), key.sign(digest.bytes()))->root().json();
}

keymgmt::KeySet keys_with(const test::SoftwareKey& key, keymgmt::Role role = keymgmt::Role::Trace) {
  return keymgmt::KeySet(
      1, UtcTime(),
      {keymgmt::PublishedKey{
          key.public_key(), role, keymgmt::KeyState::Active, "", "", {}, {}, std::nullopt, std::nullopt}});
}

TEST(EvidencePack, IsStampedByTheHolderInFileOrder) {
  const Json pack = Statement::parse(kPack, pack_fields())->rebuild({.now = kNow})->document().root().json();
  std::vector<std::string> names;
  for (const Json::Member& member : pack.as_object()) names.push_back(member.first);
  EXPECT_EQ(names, (std::vector<std::string>{"schema_id", "schema_version", "created_at", "producer_version", "pack_id",
                                             "run_id", "case_id", "template_id", "generated_at", "control_index",
                                             "evidence_pointers", "contents"}));
  EXPECT_EQ(pack.text("generated_at"), kNow.rfc3339());
  EXPECT_EQ(pack.text("created_at"), "2026-02-05T00:00:00Z");
  EXPECT_EQ(pack.text("pack_id"), evidence_pack_id("run_demo", *pack.find("contents")));
}

TEST(EvidencePack, CarriesItsSignatureInAListAndVerifies) {
  const test::SoftwareKey key(keymgmt::Algorithm::Ed25519);
  const Json pack = sealed_pack(key);
  ASSERT_EQ(pack.find("signatures")->as_array().size(), 1u);
  const auto verified = VerifiedDocument::verify(kPack, pack, keys_with(key));
  ASSERT_TRUE(verified) << verified.error().detail;
  EXPECT_EQ(verified->document(), pack);
  EXPECT_EQ(verified->signed_at(), kNow);
}

TEST(EvidencePack, VerifiesByTheSignatureWhoseKeyIsKnown) {
  const test::SoftwareKey key(keymgmt::Algorithm::Ed25519), stranger(keymgmt::Algorithm::Ed25519);
  Json pack = sealed_pack(key);
  Json::Array& signatures = pack.find("signatures")->as_array();
  signatures.insert(signatures.begin(), sealed_pack(stranger).find("signatures")->as_array().front());
  EXPECT_TRUE(VerifiedDocument::verify(kPack, pack, keys_with(key)));
}

struct Forgery {
  const char* name;
  const char* reason;
  void (*make)(Json& pack);
};
const Forgery kForgeries[] = {
    {"another case", "signed_digest_mismatch", [](Json& p) { p.set("case_id", "INC-8"); }},
    {"another digest of a file", "signed_digest_mismatch",
     [](Json& p) { p.find("contents")->as_array()[0].set("sha256", std::string(64, '0')); }},
    {"no signatures", "signature_missing", [](Json& p) { p.erase("signatures"); }},
    {"an empty list", "signature_missing", [](Json& p) { p.set("signatures", Json::Array{}); }},
    {"a signature of nothing", "signature_invalid",
     [](Json& p) { p.find("signatures")->as_array()[0].set("sig", std::string(88, 'A')); }},
};

TEST(EvidencePack, IsRefusedForged) {
  const test::SoftwareKey key(keymgmt::Algorithm::Ed25519);
  for (const Forgery& forgery : kForgeries) {
    Json pack = sealed_pack(key);
    forgery.make(pack);
    const auto refused = VerifiedDocument::verify(kPack, pack, keys_with(key));
    ASSERT_FALSE(refused) << forgery.name;
    EXPECT_EQ(refused.error().reason, forgery.reason) << forgery.name;
  }
  EXPECT_EQ(VerifiedDocument::verify(kPack, sealed_pack(key), keys_with(key, keymgmt::Role::Release)).error().reason,
            "wrong_role");
}

struct Change {
  const char* name;
  void (*make)(Json& fields);
};
const Change kRefused[] = {
    {"pack_id", [](Json& f) { f.set("pack_id", "pack_0"); }},
    {"generated_at", [](Json& f) { f.set("generated_at", "2026-02-05T00:00:00Z"); }},
    {"signatures", [](Json& f) { f.set("signatures", Json::Array{}); }},
    {"no run", [](Json& f) { f.erase("run_id"); }},
    {"no contents", [](Json& f) { f.set("contents", Json::Array{}); }},
    {"unsorted", [](Json& f) { std::swap(f.find("contents")->as_array()[0], f.find("contents")->as_array()[1]); }},
    {"a file twice", [](Json& f) { f.find("contents")->as_array().push_back(f.find("contents")->as_array().back()); }},
    {"the manifest in itself",
     [](Json& f) { f.find("contents")->as_array()[0].set("path", std::string(kPackManifestName)); }},
    {"an unknown type", [](Json& f) { f.find("contents")->as_array()[0].set("type", "secret"); }},
    {"a pointer to nothing", [](Json& f) { f.find("evidence_pointers")->as_array()[0].set("path", "other.json"); }},
    {"a pointer with another digest",
     [](Json& f) { f.find("evidence_pointers")->as_array()[0].set("sha256", std::string(64, '0')); }},
};

TEST(EvidencePack, IsReadStrictly) {
  ASSERT_TRUE(Statement::parse(kPack, pack_fields()));
  for (const Change& change : kRefused) {
    Json fields = pack_fields();
    change.make(fields);
    const auto refused = Statement::parse(kPack, fields);
    ASSERT_FALSE(refused) << change.name;
    EXPECT_EQ(refused.error().code, ErrorCode::Invalid) << change.name;
  }
}

}  // namespace
}  // namespace countersign::statement
