#include "keymgmt/publication/repository.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "common/durable_file.h"
#include "tests/support/temporary_folder.h"
#include "tests/support/test_repository.h"

namespace countersign::publication {
namespace {

using keymgmt::Algorithm;
using keymgmt::Keys;
using keymgmt::KeyState;
using keymgmt::Role;
using test::SoftwareKey;
using test::TestRepository;

const UtcTime kStart = UtcTime::from_unix(1'800'000'000);

TEST(Repository, ComesBackFromItsStateWhole) {
  for (const Algorithm custodians : keymgmt::kAlgorithms) {
    const test::TemporaryFolder folder;
    TestRepository made(kStart, custodians);
    made.add_key(Role::Trace, SoftwareKey(Algorithm::P256));
    made.custodians_sign();
    made.publish();
    ASSERT_TRUE(made.repository().save(folder.path()));
    const Result<Repository> again = Repository::load(folder.path());
    ASSERT_TRUE(again) << again.error().detail;
    EXPECT_EQ(again->files(), made.files());
    EXPECT_EQ(again->expires(), kStart + std::chrono::hours(1));
  }
  EXPECT_EQ(Repository::load("/nonexistent").error().code, ErrorCode::NotFound);
}

TEST(Repository, AChangedStateIsNotBelieved) {
  const test::TemporaryFolder folder;
  TestRepository made(kStart);
  made.custodians_sign();
  ASSERT_TRUE(made.repository().save(folder.path()));
  std::string text = *read_file(folder / "publication.json");
  const std::size_t at = text.find("threshold");
  ASSERT_NE(at, std::string::npos);
  text.replace(text.find("2", at), 1, "1");
  ASSERT_TRUE(write_durable(folder / "publication.json", text, 0600));
  const Result<Repository> again = Repository::load(folder.path());
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().reason, "under_signed");
}

TEST(Repository, AThresholdThatOneLostKeyBreaksIsRefused) {
  TestRepository made(kStart);
  made.terms().threshold = 3;
  made.add_key(Role::Trace, SoftwareKey(Algorithm::Ed25519));
  const auto proposal = proposed(nullptr, {}, made.terms(), kStart);
  ASSERT_FALSE(proposal);
}

TEST(Repository, ADroppedKeyIsRefused) {
  TestRepository made(kStart);
  const std::string kid = made.add_key(Role::Trace, SoftwareKey(Algorithm::Ed25519));
  made.custodians_sign();
  Keys kept;
  TestRepository other(kStart);
  // Signed by the right custodians, but without the trace key.
  for (const keymgmt::PublishedKey& key : made.repository().keys().keys()) {
    if (key.key.kid() != kid) kept.push_back(key);
  }
  auto proposal = proposed(&made.repository(), kept, made.terms(), kStart);
  ASSERT_TRUE(proposal);
  const Status taken = made.take(made.signed_by(*std::move(proposal), made.ann_, made.cat_));
  ASSERT_FALSE(taken);
  EXPECT_EQ(taken.error().reason, "key_dropped");
}

TEST(Repository, VersionsFollowOneAnother) {
  TestRepository made(kStart);
  made.custodians_sign();
  const CustodianFiles second = made.signed_by(made.propose(), made.ann_, made.bob_);
  ASSERT_TRUE(made.take(second));
  const Status again = made.take(second);
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().reason, "version_skipped");
}

TEST(Repository, ACustodiansKeyDoesNotSignTimestamps) {
  TestRepository made(kStart);
  Proposal proposal = made.propose();
  Json root = proposal.root->signed_part();
  root.find("roles")->set("timestamp", *root.find("roles")->find("root"));
  root.find("roles")->find("timestamp")->set("threshold", 1);
  proposal.root = *tuf::SignedDocument::of(root);
  const Status taken = made.take(made.signed_by(std::move(proposal), made.ann_, made.bob_));
  ASSERT_FALSE(taken);
  EXPECT_EQ(taken.error().reason, "publication_keys");
}

TEST(Revocations, OnlyEverTakeAway) {
  TestRepository made(kStart);
  const std::string kid = made.add_key(Role::Trace, SoftwareKey(Algorithm::Ed25519));
  made.custodians_sign();
  const keymgmt::KeySet set = made.repository().keys();
  made.key(kid).state = KeyState::Retiring;
  made.key(kid).not_after = kStart + std::chrono::hours(2);
  const keymgmt::KeySet& signed_set = set;
  Keys keys = {made.key(kid)};
  const Revocations later(keys);
  keys.front().not_after = kStart + std::chrono::hours(1);
  const Revocations earlier(keys);
  EXPECT_EQ(later.with(earlier).applied_to(signed_set).find(kid)->not_after, kStart + std::chrono::hours(1));
  EXPECT_EQ(later.with(earlier), earlier);
  const auto read = Revocations::parse(*Json::parse(later.document().compact()));
  ASSERT_TRUE(read);
  EXPECT_EQ(*read, later);
  Json opened = later.document();
  opened.find("keys")->find(kid)->set("state", "active");
  EXPECT_FALSE(Revocations::parse(opened)) << "a state that signs";
  opened = later.document();
  opened.find("keys")->find(kid)->set("not_before", "2020-01-01T00:00:00Z");
  EXPECT_FALSE(Revocations::parse(opened)) << "a window that opens";
}

TEST(Directory, RefusesAnotherPublisherAndMendsDamage) {
  const test::TemporaryFolder folder;
  const test::TemporaryFolder state;
  TestRepository made(kStart);
  made.custodians_sign();
  made.publish();
  const keymgmt::KeySet& keys = made.repository().keys();
  const Files files = directory_files(keys, &made.repository());
  ASSERT_TRUE(check_directory(folder.path(), keys, &made.repository()));
  ASSERT_TRUE(write_directory(folder.path(), files, {}, {}));
  ASSERT_TRUE(check_directory(folder.path(), keys, &made.repository()));
  // Tampered with: noticed, and whole again.
  ASSERT_TRUE(write_durable(folder / "jwks.json", "{}", 0644));
  ASSERT_TRUE(write_durable(folder / "timestamp.json", "{}", 0644));
  ASSERT_TRUE(check_directory(folder.path(), keys, &made.repository()));
  const auto changed = write_directory(folder.path(), files, {}, files);
  ASSERT_TRUE(changed);
  EXPECT_EQ(*changed, (std::vector<std::string>{"jwks.json", "timestamp.json"}));
  EXPECT_EQ(*read_file(folder / "timestamp.json"), files.at("timestamp.json"));
  // An older copy of the state came back.
  Repository old = made.repository();
  made.publish();
  ASSERT_TRUE(write_directory(folder.path(), directory_files(keys, &made.repository()), {}, files));
  const Status older = check_directory(folder.path(), keys, &old);
  ASSERT_FALSE(older);
  EXPECT_EQ(older.error().reason, "older_key_set");
  // Another appliance publishes here.
  TestRepository other(kStart);
  other.custodians_sign();
  other.publish();
  const Status foreign = check_directory(folder.path(), other.repository().keys(), &other.repository());
  ASSERT_FALSE(foreign);
  EXPECT_EQ(foreign.error().reason, "two_publishers");
}

TEST(Directory, EveryPrefixOfAWritingLeavesTheFormerStateValid) {
  // A crash after any number of files: whoever reads timestamp.json finds all that it leads to.
  TestRepository made(kStart);
  made.custodians_sign();
  made.publish();
  const Files before = made.files();
  made.add_key(Role::Trace, SoftwareKey(Algorithm::Ed25519));
  made.custodians_sign();
  made.publish();
  const Files after = made.files();
  for (const auto& [path, content] : before) {
    if (path == "timestamp.json") continue;
    const auto now = after.find(path);
    EXPECT_TRUE(now == after.end() || now->second == content) << path << " would change under a reader's feet";
  }
}

}  // namespace
}  // namespace countersign::publication
