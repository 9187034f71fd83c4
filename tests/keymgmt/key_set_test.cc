#include "keymgmt/key_set.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>

#include "common/durable_file.h"
#include "tests/support/child_process.h"
#include "tests/support/software_key.h"
#include "tests/support/temporary_folder.h"

namespace countersign::keymgmt {
namespace {

using test::SoftwareKey;

const UtcTime kStart = UtcTime::from_unix(1'800'000'000);

PublishedKey published(const SoftwareKey& key, Role role, KeyState state = KeyState::Active) {
  return {.key = key.public_key(),
          .role = role,
          .state = state,
          .token_id = "0a0b",
          .label = "test-only",
          .created_at = kStart,
          .not_before = kStart};
}

struct Standing {
  const char* name;
  KeyState state;
  bool closed;
  bool compromised;
  int seconds;  // after not_before; not_after is at 100
  bool counts;
};
constexpr Standing kStandings[] = {
    {"active, in its window", KeyState::Active, false, false, 50, true},
    {"active, first moment", KeyState::Active, false, false, 0, true},
    {"active, before its window", KeyState::Active, false, false, -1, false},
    {"retired, in its window", KeyState::Retired, true, false, 99, true},
    {"retired, at the end", KeyState::Retired, true, false, 100, false},
    {"generated", KeyState::Generated, false, false, 50, false},
    {"compromised", KeyState::Retired, false, true, 50, false},
    {"compromised, signature dated before", KeyState::Retired, false, true, 1, false},
    {"destroyed after a compromise", KeyState::Destroyed, true, true, 1, false},
};

TEST(PublishedKey, CountsByStateAndWindow) {
  const SoftwareKey key(Algorithm::Ed25519);
  for (const Standing& row : kStandings) {
    PublishedKey subject = published(key, Role::Trace, row.state);
    if (row.closed) subject.not_after = kStart + std::chrono::seconds(100);
    if (row.compromised) subject.compromised_since = kStart + std::chrono::seconds(20);
    EXPECT_EQ(subject.counts_at(kStart + std::chrono::seconds(row.seconds)), row.counts) << row.name;
  }
}

TEST(KeySet, FindsAKeyByEveryName) {
  const SoftwareKey one(Algorithm::Ed25519);
  const SoftwareKey two(Algorithm::P256);
  const KeySet set(3, kStart, {published(one, Role::Trace), published(two, Role::Release)});
  EXPECT_EQ(set.find(one.public_key().kid())->role, Role::Trace);
  for (const auto& [kind, name] : two.public_key().aliases()) {
    ASSERT_NE(set.find(name), nullptr) << kind;
    EXPECT_EQ(set.find(name)->role, Role::Release) << kind;
  }
  EXPECT_EQ(set.find(""), nullptr);
  EXPECT_EQ(set.find("unknown"), nullptr);
  EXPECT_NE(set.active(Role::Trace, Algorithm::Ed25519), nullptr);
  EXPECT_EQ(set.active(Role::Trace, Algorithm::P256), nullptr);
  const KeySet copy = set;  // names follow the copy
  EXPECT_EQ(copy.find(one.public_key().kid()), &copy.keys()[0]);
}

TEST(KeySet, ReadsBackFromItsDocument) {
  PublishedKey retired = published(SoftwareKey(Algorithm::P256), Role::Approval, KeyState::Retired);
  retired.not_after = kStart + std::chrono::hours(1);
  PublishedKey lost = published(SoftwareKey(Algorithm::Ed25519), Role::Trace, KeyState::Retired);
  lost.compromised_since = kStart;
  const KeySet set(7, kStart, {retired, lost, published(SoftwareKey(Algorithm::Ed25519), Role::Log)});
  const auto again = KeySet::parse(*Json::parse(set.document().compact()));
  ASSERT_TRUE(again) << again.error().detail;
  EXPECT_EQ(again->document(), set.document());
  EXPECT_EQ(again->version(), 7u);
  EXPECT_EQ(set.jwks().find("keys")->as_array().size(), 2u);  // not the compromised one
}

TEST(KeySet, IsReadStrictly) {
  const SoftwareKey key(Algorithm::Ed25519);
  const Json good = KeySet(1, kStart, {published(key, Role::Trace)}).document();
  ASSERT_TRUE(KeySet::parse(good));
  struct Change {
    const char* name;
    void (*make)(Json& set, Json& key);
  };
  const Change changes[] = {
      {"unknown member", [](Json& set, Json&) { set.set("extra", 1); }},
      {"unknown member of a key", [](Json&, Json& entry) { entry.set("extra", 1); }},
      {"missing version", [](Json& set, Json&) { set.erase("version"); }},
      {"version is text", [](Json& set, Json&) { set.set("version", "1"); }},
      {"another schema", [](Json& set, Json&) { set.set("schema_version", "2.0.0"); }},
      {"missing role", [](Json&, Json& entry) { entry.erase("role"); }},
      {"unknown role", [](Json&, Json& entry) { entry.set("role", "root"); }},
      {"unknown state", [](Json&, Json& entry) { entry.set("state", "fine"); }},
      {"kid of another key", [](Json&, Json& entry) { entry.set("kid", "AAAA"); }},
      {"alias of another key", [](Json&, Json& entry) { entry.find("aliases")->set("gait", "00"); }},
      {"another algorithm", [](Json&, Json& entry) { entry.set("algorithm", "p256"); }},
      {"no time", [](Json&, Json& entry) { entry.set("not_before", "soon"); }},
      {"not published", [](Json&, Json& entry) { entry.set("state", "attested"); }},
      {"compromised and active", [](Json&, Json& entry) { entry.set("compromised_since", "2026-01-01T00:00:00Z"); }},
      {"an end that is no time", [](Json& set, Json&) { set.set("expires_at", "never"); }},
      {"null", [](Json&, Json& entry) { entry.set("not_after", Json()); }},
  };
  for (const Change& change : changes) {
    Json document = good;
    change.make(document, document.find("keys")->as_array()[0]);
    const auto read = KeySet::parse(document);
    ASSERT_FALSE(read) << change.name;
    EXPECT_EQ(read.error().code, ErrorCode::Invalid) << change.name;
  }
  Json twice = good;
  twice.find("keys")->as_array().push_back(good.find("keys")->as_array()[0]);
  EXPECT_FALSE(KeySet::parse(twice));
  EXPECT_FALSE(KeySet::parse(Json::Array{}));
}

TEST(KeySet, IsPublishedAsFilesOtherToolsRead) {
  const test::TemporaryFolder folder;
  const std::string public_folder = folder / "public";
  const SoftwareKey trace(Algorithm::Ed25519);
  const SoftwareKey release(Algorithm::P256);
  const KeySet set(2, kStart, {published(trace, Role::Trace), published(release, Role::Release)});
  ASSERT_TRUE(set.publish(public_folder));
  for (const auto& entry : std::filesystem::recursive_directory_iterator(public_folder)) {
    struct stat status = {};
    ASSERT_EQ(stat(entry.path().c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 0777, entry.is_directory() ? 0755u : 0644u) << entry.path();
  }

  const auto read = KeySet::parse(*Json::parse(*read_file(public_folder + "/keyset.json")));
  ASSERT_TRUE(read) << read.error().detail;
  EXPECT_EQ(read->document(), set.document());
  EXPECT_EQ(*Json::parse(*read_file(public_folder + "/jwks.json")), set.jwks());
  const auto gait = PublicKey::from_gait(*read_file(public_folder + "/trace/public.key"));
  EXPECT_EQ(gait->kid(), trace.public_key().kid());
  EXPECT_FALSE(std::filesystem::exists(public_folder + "/release/public.key"));

  // openssl verifies a signature of the published key.
  ASSERT_TRUE(write_durable(folder / "message", "message", 0600));
  const Bytes signature = trace.sign(view_of("message"));
  ASSERT_TRUE(write_durable(folder / "signature", text_of(signature), 0600));
  const test::Outcome openssl = test::run({{"openssl", "pkeyutl", "-verify", "-rawin", "-pubin", "-inkey",
                                            public_folder + "/trace/" + trace.public_key().kid() + ".pem", "-sigfile",
                                            folder / "signature", "-in", folder / "message"}});
  EXPECT_EQ(openssl.exit_code, 0) << openssl.out << openssl.err;

  // ssh-keygen understands allowed_signers, with its window and namespace.
  const test::Outcome ssh = test::run({{"ssh-keygen", "-Y", "match-principals", "-I", "release@countersign", "-f",
                                        public_folder + "/allowed_signers"}});
  EXPECT_EQ(ssh.exit_code, 0) << ssh.out << ssh.err;
  EXPECT_EQ(ssh.out, "release@countersign\n");
}

TEST(KeySet, PublishesNothingOverANewerVersion) {
  const test::TemporaryFolder folder;
  const SoftwareKey key(Algorithm::Ed25519);
  ASSERT_TRUE(KeySet(5, kStart, {published(key, Role::Trace)}).publish(folder.path()));
  EXPECT_TRUE(KeySet(5, kStart, {published(key, Role::Trace)}).publish(folder.path()));
  EXPECT_TRUE(KeySet(6, kStart, {published(key, Role::Trace)}).publish(folder.path()));
  const Status older = KeySet(5, kStart, {published(key, Role::Trace)}).publish(folder.path());
  ASSERT_FALSE(older);
  EXPECT_EQ(older.error().code, ErrorCode::Refused);
  ASSERT_TRUE(write_durable(folder / "keyset.json", "{}", 0644));
  EXPECT_FALSE(KeySet(7, kStart, {}).publish(folder.path())) << "an unreadable key set may be a newer one";
}

TEST(KeySet, TakesTheFilesOfACompromisedKeyAway) {
  const test::TemporaryFolder folder;
  PublishedKey key = published(SoftwareKey(Algorithm::Ed25519), Role::Trace);
  ASSERT_TRUE(KeySet(1, kStart, {key}).publish(folder.path()));
  const std::string stem = folder / "trace/" + key.key.kid();
  EXPECT_TRUE(std::filesystem::exists(stem + ".pem"));
  EXPECT_TRUE(std::filesystem::exists(folder / "trace/public.key"));
  key.state = KeyState::Retired;
  key.compromised_since = kStart;
  ASSERT_TRUE(KeySet(2, kStart, {key}).publish(folder.path()));
  for (const std::string& gone : {stem + ".pem", stem + ".pub", folder / "trace/public.key"}) {
    EXPECT_FALSE(std::filesystem::exists(gone)) << gone;
  }
  EXPECT_EQ(*read_file(folder / "allowed_signers"), "");
}

}  // namespace
}  // namespace countersign::keymgmt
