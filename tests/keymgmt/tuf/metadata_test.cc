#include "keymgmt/tuf/metadata.h"

#include <gtest/gtest.h>

#include "keymgmt/tuf/canonical.h"
#include "tests/support/software_key.h"

namespace countersign::tuf {
namespace {

using keymgmt::Algorithm;
using test::SoftwareKey;

const UtcTime kExpires = UtcTime::from_unix(1900000000);

Signers signers_of(const std::vector<const SoftwareKey*>& keys, int threshold) {
  Signers signers;
  signers.threshold = threshold;
  for (const SoftwareKey* key : keys) signers.key_ids.push_back(key_id(key->public_key()));
  std::sort(signers.key_ids.begin(), signers.key_ids.end());
  return signers;
}

class Custodians : public testing::Test {
 protected:
  Custodians() {
    for (const SoftwareKey* key : {&ann_, &bob_, &cat_, &online_}) {
      root_.keys.emplace(key_id(key->public_key()), key->public_key());
    }
    root_.version = 1;
    root_.expires = kExpires;
    root_.root = signers_of({&ann_, &bob_, &cat_}, 2);
    root_.targets = root_.root;
    root_.snapshot = signers_of({&online_}, 1);
    root_.timestamp = root_.snapshot;
  }
  SignedDocument document() const { return *SignedDocument::of(root_.signed_part()); }
  static void sign(SignedDocument& document, const SoftwareKey& key) {
    EXPECT_TRUE(document.add(key.public_key(), key.sign(view_of(document.message()))));
  }

  const SoftwareKey ann_{Algorithm::Ed25519}, bob_{Algorithm::P256}, cat_{Algorithm::Ed25519},
      online_{Algorithm::Ed25519};
  Root root_;
};

TEST(TufCanonical, IsRfc8785WhereThereIsNoPem) {
  const Json value = *Json::parse(R"({"b":[1,true,null,"a\"\\z"],"a":{"z":-5,"A":""}})");
  EXPECT_EQ(*canonical(value), value.canonical());
}

TEST(TufCanonical, RefusesWhatTheTwoFormsWriteDifferently) {
  for (const char* text : {R"({"a":1.5})", R"({"a":"é"})", R"({"a":"\t"})", R"({"é":1})", R"(9007199254740992)"}) {
    const auto refused = canonical(*Json::parse(text));
    ASSERT_FALSE(refused) << text;
    EXPECT_EQ(refused.error().reason, "not_canonical") << text;
  }
}

TEST(TufKey, HasTheIdThatTheKeySetListsAsAlias) {
  for (const Algorithm algorithm : keymgmt::kAlgorithms) {
    const keymgmt::PublicKey key = SoftwareKey(algorithm).public_key();
    const auto aliases = key.aliases();
    const auto found =
        std::find_if(aliases.begin(), aliases.end(), [](const auto& each) { return each.first == "tuf"; });
    ASSERT_NE(found, aliases.end());
    EXPECT_EQ(key_id(key), found->second);
  }
}

TEST_F(Custodians, MetadataReadsBackAsItWasWritten) {
  const auto root = Root::parse(*Json::parse(root_.signed_part().compact()));
  ASSERT_TRUE(root) << root.error().detail;
  EXPECT_EQ(root->signed_part(), root_.signed_part());
  Targets targets{.version = 3, .expires = kExpires};
  targets.files.emplace("approval/k.pem", facts_of("text"));
  targets.delegation = Targets::Delegation{std::string(kRevokedRole),
                                           {{key_id(online_.public_key()), online_.public_key()}},
                                           root_.snapshot,
                                           {"revoked.json"}};
  const auto read = Targets::parse(targets.signed_part());
  ASSERT_TRUE(read) << read.error().detail;
  EXPECT_EQ(read->signed_part(), targets.signed_part());
  EXPECT_EQ(hashed("approval/k.pem", read->files.at("approval/k.pem")),
            "approval/" + sha256(std::string_view("text")).hex() + ".k.pem");
}

TEST_F(Custodians, TheThresholdCountsEachKeyOnce) {
  SignedDocument file = document();
  EXPECT_EQ(file.verify(root_.keys, root_.root, "root").error().reason, "under_signed");
  sign(file, ann_);
  sign(file, ann_);
  EXPECT_EQ(file.verify(root_.keys, root_.root, "root").error().reason, "under_signed");
  sign(file, online_);  // a key of the repository, but no custodian
  EXPECT_FALSE(file.verify(root_.keys, root_.root, "root"));
  sign(file, bob_);
  EXPECT_TRUE(file.verify(root_.keys, root_.root, "root"));
}

TEST_F(Custodians, OneKeyUnderTwoIdsIsOneSigner) {
  SignedDocument file = document();
  sign(file, ann_);
  KeyTable keys = root_.keys;
  const std::string id = key_id(ann_.public_key());
  const std::string other(64, 'f');
  keys.emplace(other, ann_.public_key());
  Signers both{{id, other}, 2};
  Json text = *Json::parse(file.text());
  Json again = text.find("signatures")->as_array().front();
  again.set("keyid", other);
  text.find("signatures")->as_array().push_back(again);
  const auto doubled = SignedDocument::parse(text.compact());
  ASSERT_TRUE(doubled);
  EXPECT_EQ(doubled->good_signers(keys, both).size(), 1U);
  // And root metadata that names a key by an id of its choice is refused to begin with.
  Json part = root_.signed_part();
  part.find("keys")->set(other, key_json(ann_.public_key()));
  EXPECT_FALSE(Root::parse(part));
}

TEST_F(Custodians, TwoSignaturesOfOneIdAreRefused) {
  SignedDocument file = document();
  sign(file, ann_);
  Json text = *Json::parse(file.text());
  text.find("signatures")->as_array().push_back(text.find("signatures")->as_array().front());
  EXPECT_FALSE(SignedDocument::parse(text.compact()));
}

TEST_F(Custodians, AChangedFileDoesNotVerify) {
  SignedDocument file = document();
  sign(file, ann_);
  sign(file, cat_);
  ASSERT_TRUE(SignedDocument::parse(file.text())->verify(root_.keys, root_.root, "root"));
  Json text = *Json::parse(file.text());
  text.find("signed")->set("version", 2);
  EXPECT_FALSE(SignedDocument::parse(text.compact())->verify(root_.keys, root_.root, "root"));
}

TEST_F(Custodians, ASignatureOfAnotherKeyIsNotAdded) {
  SignedDocument file = document();
  EXPECT_FALSE(file.add(ann_.public_key(), cat_.sign(view_of(file.message()))));
}

TEST_F(Custodians, BadMetadataIsRefused) {
  struct Case {
    const char* name;
    void (*spoil)(Json&);
  };
  const Case cases[] = {{"another type", [](Json& part) { part.set("_type", "targets"); }},
                        {"another specification", [](Json& part) { part.set("spec_version", "2.0.0"); }},
                        {"version 0", [](Json& part) { part.set("version", 0); }},
                        {"no expiry", [](Json& part) { part.erase("expires"); }},
                        {"threshold 0", [](Json& part) { part.find("roles")->find("root")->set("threshold", 0); }},
                        {"no consistent snapshots", [](Json& part) { part.set("consistent_snapshot", false); }},
                        {"a key twice", [](Json& part) {
                           Json::Array& ids = part.find("roles")->find("root")->find("keyids")->as_array();
                           ids.push_back(ids.front());
                         }}};
  for (const Case& each : cases) {
    Json part = root_.signed_part();
    each.spoil(part);
    EXPECT_FALSE(Root::parse(part)) << each.name;
  }
  for (const char* path : {"/etc/passwd", "../x", "a/../../x", ""}) {
    Targets targets{.version = 1, .expires = kExpires};
    targets.files.emplace(path, facts_of(""));
    EXPECT_FALSE(Targets::parse(targets.signed_part())) << path;
  }
}

}  // namespace
}  // namespace countersign::tuf
