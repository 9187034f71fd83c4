#include "keymgmt/publication/directory.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>

#include "common/durable_file.h"
#include "tests/support/child_process.h"
#include "tests/support/software_key.h"
#include "tests/support/temporary_folder.h"

namespace countersign::publication {
namespace {

using keymgmt::Algorithm;
using keymgmt::KeySet;
using keymgmt::KeyState;
using keymgmt::PublicKey;
using keymgmt::PublishedKey;
using keymgmt::Role;
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

TEST(Directory, HoldsFilesOtherToolsRead) {
  const test::TemporaryFolder folder;
  const std::string public_folder = folder / "public";
  const SoftwareKey trace(Algorithm::Ed25519);
  const SoftwareKey release(Algorithm::P256);
  const KeySet set(2, kStart, {published(trace, Role::Trace), published(release, Role::Release)});
  ASSERT_TRUE(publish_without_repository(set, public_folder));
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

TEST(Directory, FilesOfAnotherKeyAreNotTheKeySets) {
  const KeySet set(2, kStart,
                   {published(SoftwareKey(Algorithm::Ed25519), Role::Trace),
                    published(SoftwareKey(Algorithm::P256), Role::Release)});
  const KeySet other(2, kStart, {published(SoftwareKey(Algorithm::Ed25519), Role::Trace)});
  const Files files = key_files(set);
  EXPECT_TRUE(check_key_files(files, set));
  const auto reason_of = [&](const Files& changed) {
    const Status checked = check_key_files(changed, set);
    return checked ? "taken" : checked.error().reason;
  };
  for (const auto& [path, content] : key_files(other)) {
    Files changed = files;
    if (!changed.contains(path)) continue;  // named by its key
    changed[path] = content;
    EXPECT_EQ(reason_of(changed), "key_files_differ") << path;
  }
  const std::string stem = "trace/" + set.keys().front().key.kid();
  for (const std::string& path : {stem + ".pem", stem + ".pub", std::string("trace/public.key")}) {
    Files changed = files;
    changed.erase(path);
    EXPECT_EQ(reason_of(changed), "key_files_differ") << path;
    changed[path] = "no key";
    EXPECT_EQ(reason_of(changed), "key_files_differ") << path;
  }
  Files more = files;
  more["approval/public.key"] = files.at("trace/public.key");
  EXPECT_EQ(reason_of(more), "key_files_differ") << "a role without a key";
}

TEST(Directory, IsNotWrittenOverANewerVersion) {
  const test::TemporaryFolder folder;
  const SoftwareKey key(Algorithm::Ed25519);
  ASSERT_TRUE(publish_without_repository(KeySet(5, kStart, {published(key, Role::Trace)}), folder.path()));
  EXPECT_TRUE(publish_without_repository(KeySet(5, kStart, {published(key, Role::Trace)}), folder.path()));
  EXPECT_TRUE(publish_without_repository(KeySet(6, kStart, {published(key, Role::Trace)}), folder.path()));
  const Status older = publish_without_repository(KeySet(5, kStart, {published(key, Role::Trace)}), folder.path());
  ASSERT_FALSE(older);
  EXPECT_EQ(older.error().code, ErrorCode::Refused);
  ASSERT_TRUE(write_durable(folder / "keyset.json", "{}", 0644));
  const Status damaged = publish_without_repository(KeySet(7, kStart, {}), folder.path());
  ASSERT_FALSE(damaged) << "an unreadable key set may be a newer one";
  EXPECT_EQ(damaged.error().reason, "published_damaged");
  EXPECT_EQ(damaged.error().code, ErrorCode::Refused);
}

TEST(Directory, LosesTheFilesOfACompromisedKey) {
  const test::TemporaryFolder folder;
  PublishedKey key = published(SoftwareKey(Algorithm::Ed25519), Role::Trace);
  ASSERT_TRUE(publish_without_repository(KeySet(1, kStart, {key}), folder.path()));
  const std::string stem = folder / "trace/" + key.key.kid();
  EXPECT_TRUE(std::filesystem::exists(stem + ".pem"));
  EXPECT_TRUE(std::filesystem::exists(folder / "trace/public.key"));
  key.state = KeyState::Retired;
  key.compromised_since = kStart;
  ASSERT_TRUE(publish_without_repository(KeySet(2, kStart, {key}), folder.path()));
  for (const std::string& gone : {stem + ".pem", stem + ".pub", folder / "trace/public.key"}) {
    EXPECT_FALSE(std::filesystem::exists(gone)) << gone;
  }
  EXPECT_EQ(*read_file(folder / "allowed_signers"), "");
}

}  // namespace
}  // namespace countersign::publication
