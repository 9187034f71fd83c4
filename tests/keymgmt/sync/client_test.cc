#include "keymgmt/sync/client.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "common/durable_file.h"
#include "tests/support/temporary_folder.h"
#include "tests/support/test_repository.h"

namespace countersign::sync {
namespace {

using keymgmt::Algorithm;
using keymgmt::KeyState;
using keymgmt::Role;
using std::chrono::hours;
using std::chrono::minutes;
using test::SoftwareKey;
using test::TestRepository;

const UtcTime kStart = UtcTime::from_unix(1'800'000'000);

// A server whose files a test may change.
class Served : public Source {
 public:
  Result<std::string> fetch(const std::string& path, std::size_t limit) override {
    const auto file = files.find(path);
    if (file == files.end()) return Error{ErrorCode::NotFound, path};
    if (file->second.size() > limit) return Error{ErrorCode::TooLarge, path, "endless_data_attack"};
    return file->second;
  }
  publication::Files files;
};

class Client : public testing::Test {
 protected:
  Client() : repository_(kStart) {
    trace_ = repository_.add_key(Role::Trace, SoftwareKey(Algorithm::Ed25519));
    repository_.custodians_sign();
    publish();
    pin_ = repository_.repository().roots().front();
  }
  void publish() {
    repository_.publish();
    served_.files = repository_.files();
  }
  Result<Synced> refresh() { return sync::refresh(TrustStore(folder_.path()), served_, pin_, repository_.now()); }
  std::string outcome() {
    const Result<Synced> synced = refresh();
    return synced ? "" : synced.error().wire_code();
  }

  test::TemporaryFolder folder_;
  TestRepository repository_;
  Served served_;
  std::string trace_;
  std::string pin_;
};

TEST_F(Client, BootstrapsFromThePinnedRootAndGivesTheKeyFiles) {
  const Result<Synced> synced = refresh();
  ASSERT_TRUE(synced) << synced.error().detail;
  EXPECT_EQ(synced->root_version, 1U);
  ASSERT_NE(synced->keys.find(trace_), nullptr);
  EXPECT_EQ(synced->keys.expires_at(), kStart + hours(1));
  const auto keyset = keymgmt::KeySet::parse(*Json::parse(*read_file(folder_ / "keyset.json")));
  ASSERT_TRUE(keyset);
  EXPECT_NE(keyset->find(trace_), nullptr);
  EXPECT_TRUE(std::filesystem::exists(folder_ / ("trace/" + trace_ + ".pem")));
  EXPECT_EQ(outcome(), "") << "and again, with nothing new";
}

TEST_F(Client, WithoutARootBelievesNothing) {
  pin_.clear();
  EXPECT_EQ(outcome(), "root_missing");
}

TEST_F(Client, WorksFromADirectory) {
  const test::TemporaryFolder published;
  ASSERT_TRUE(publication::write_directory(published.path(), served_.files, {}, {}));
  DirectorySource directory(published.path());
  EXPECT_TRUE(sync::refresh(TrustStore(folder_.path()), directory, pin_, kStart));
}

TEST_F(Client, FollowsRootsThatTheCustodiansChainOneByOne) {
  ASSERT_EQ(outcome(), "");
  for (int i = 0; i < 2; ++i) {
    repository_.pass(hours(24 * 150));  // half of the root's life: it is renewed
    repository_.custodians_sign();
  }
  publish();
  const Result<Synced> synced = refresh();
  ASSERT_TRUE(synced) << synced.error().detail;
  EXPECT_EQ(synced->root_version, 3U);
}

TEST_F(Client, TakesAKeySetWithANewKey) {
  ASSERT_EQ(outcome(), "");
  const std::string second = repository_.add_key(Role::Trace, SoftwareKey(Algorithm::P256));
  repository_.custodians_sign();
  publish();
  const Result<Synced> synced = refresh();
  ASSERT_TRUE(synced) << synced.error().detail;
  EXPECT_NE(synced->keys.find(second), nullptr);
}

TEST_F(Client, WhatWasTakenAwayStaysSo) {
  ASSERT_EQ(outcome(), "");
  repository_.key(trace_).state = KeyState::Retired;
  repository_.key(trace_).compromised_since = kStart;
  publish();
  Result<Synced> synced = refresh();
  ASSERT_TRUE(synced);
  EXPECT_TRUE(synced->keys.find(trace_)->compromised_since);
  EXPECT_FALSE(std::filesystem::exists(folder_ / ("trace/" + trace_ + ".pem")));
  // Whoever stole the online key signs an empty list; the verifier remembers.
  repository_.key(trace_).state = KeyState::Staged;
  repository_.key(trace_).compromised_since.reset();
  publish();
  synced = refresh();
  ASSERT_TRUE(synced) << synced.error().detail;
  EXPECT_TRUE(synced->keys.find(trace_)->compromised_since);
}

TEST_F(Client, RetiredKeysKeepTheirWindow) {
  repository_.pass(minutes(10));
  repository_.key(trace_).state = KeyState::Retiring;
  repository_.key(trace_).not_after = kStart + minutes(5);
  publish();
  const Result<Synced> synced = refresh();
  ASSERT_TRUE(synced);
  const keymgmt::PublishedKey& key = *synced->keys.find(trace_);
  EXPECT_TRUE(key.counts_at(kStart + minutes(4)));
  EXPECT_FALSE(key.counts_at(kStart + minutes(5)));
}

TEST_F(Client, RefusesRollback) {
  const publication::Files old = served_.files;
  publish();
  ASSERT_EQ(outcome(), "");
  served_.files = old;
  EXPECT_EQ(outcome(), "rollback_attack");
}

TEST_F(Client, RefusesASnapshotThatNamesOlderTargets) {
  const publication::Repository before = repository_.repository();
  repository_.add_key(Role::Release, SoftwareKey(Algorithm::Ed25519));
  repository_.custodians_sign();
  publish();
  ASSERT_EQ(outcome(), "");
  // The stolen online key signs newer snapshots and timestamps about the former targets.
  TestRepository& thief = repository_;
  const publication::OnlineFiles now = *thief.repository().online();
  const std::string snapshot =
      thief.online(statement::StatementType::TufSnapshot,
                   *Json::parse(R"({"version":9,"lifetime":3600,"targets_version":1,"revoked_version":2})"));
  served_.files["9.snapshot.json"] = snapshot;
  Json fields = thief.repository().timestamp_fields(snapshot, hours(1));
  served_.files["timestamp.json"] = thief.online(statement::StatementType::TufTimestamp, fields);
  EXPECT_EQ(outcome(), "rollback_attack");
}

TEST_F(Client, RefusesFreeze) {
  ASSERT_EQ(outcome(), "");
  repository_.pass(hours(1));
  EXPECT_EQ(outcome(), "freeze_attack");
  publish();
  EXPECT_EQ(outcome(), "");
}

TEST_F(Client, RecoversFromFastForward) {
  ASSERT_EQ(outcome(), "");
  // A thief makes version 1,000,000 with the online key.
  Json fields = repository_.repository().timestamp_fields(repository_.repository().online()->snapshot, hours(1));
  fields.set("version", 1000000);
  served_.files["timestamp.json"] = repository_.online(statement::StatementType::TufTimestamp, fields);
  ASSERT_EQ(outcome(), "");
  publish();
  EXPECT_EQ(outcome(), "rollback_attack") << "the thief's version blocks ours";
  // The custodians name another online key: what the old one signed protects from nothing.
  const SoftwareKey fresh(Algorithm::Ed25519);
  const std::string old_kid = repository_.online_.public_key().kid();
  repository_.add_key(Role::Publication, fresh);
  repository_.key(old_kid).state = KeyState::Retired;
  repository_.key(old_kid).compromised_since = kStart;
  repository_.custodians_sign();
  publication::Repository& ours = repository_.repository();
  publication::OnlineFiles files;
  using statement::StatementType;
  files.revocations = ours.online()->revocations;
  const auto by_fresh = [&](StatementType type, const Json& of) { return repository_.online_by(fresh, type, of); };
  files.revoked = by_fresh(StatementType::TufRevoked, ours.revoked_fields(files.revocations, hours(1)));
  files.snapshot = by_fresh(StatementType::TufSnapshot, ours.snapshot_fields(files.revoked, hours(1)));
  files.timestamp = by_fresh(StatementType::TufTimestamp, ours.timestamp_fields(files.snapshot, hours(1)));
  ASSERT_TRUE(ours.take(files));
  served_.files = repository_.files();
  const Result<Synced> synced = refresh();
  ASSERT_TRUE(synced) << synced.error().detail;
  EXPECT_EQ(synced->root_version, 2U);
}

TEST_F(Client, RefusesWhatIsMixedOrReplaced) {
  struct Attack {
    const char* name;
    const char* file;  // end of the name
    void (*spoil)(std::string& content);
    const char* reason;
  };
  const Attack attacks[] = {
      {"another snapshot", "snapshot.json", [](std::string& text) { text[text.size() / 2] ^= 1; },
       "mix_and_match_attack"},
      {"a key set of somebody else", "keyset.json", [](std::string& text) { text[text.size() / 2] ^= 1; },
       "arbitrary_software"},
      {"endless data", "timestamp.json", [](std::string& text) { text += std::string(1 << 20, ' '); },
       "endless_data_attack"},
      {"a longer key set than was signed", "keyset.json", [](std::string& text) { text += std::string(1 << 20, ' '); },
       "endless_data_attack"},
      {"targets with another content", "targets.json",
       [](std::string& text) { text.replace(text.find("keyset.json"), 11, "keyser.json"); }, "under_signed"},
      {"a timestamp of nobody", "timestamp.json",
       [](std::string& text) { text.replace(text.find("\"version\":1"), 11, "\"version\":7"); }, "under_signed"},
  };
  for (const Attack& attack : attacks) {
    served_.files = repository_.files();
    bool found = false;
    for (auto& [path, content] : served_.files) {
      if (!path.ends_with(attack.file)) continue;
      attack.spoil(content);
      found = true;
    }
    ASSERT_TRUE(found) << attack.name;
    EXPECT_EQ(outcome(), attack.reason) << attack.name;
  }
  served_.files = repository_.files();
  EXPECT_EQ(outcome(), "") << "what is whole is still believed";
}

TEST_F(Client, RefusesAnotherRoot) {
  TestRepository other(kStart);
  other.custodians_sign();
  other.publish();
  // Another appliance's files, to a verifier with our root.
  served_.files = other.files();
  EXPECT_EQ(outcome(), "under_signed");
  // And a second root that the first one's custodians did not sign.
  served_.files = repository_.files();
  Json root = *Json::parse(other.files().at("1.root.json"));
  tuf::Root next = *tuf::Root::parse(*root.find("signed"));
  next.version = 2;
  tuf::SignedDocument forged = *tuf::SignedDocument::of(next.signed_part());
  TestRepository::sign(forged, other.ann_);
  TestRepository::sign(forged, other.bob_);
  served_.files["2.root.json"] = forged.text();
  EXPECT_EQ(outcome(), "wrong_root");
}

TEST_F(Client, ALostStateFallsBackToThePinnedRoot) {
  ASSERT_EQ(outcome(), "");
  std::filesystem::remove_all(folder_ / "metadata");
  EXPECT_EQ(outcome(), "");
  std::filesystem::remove_all(folder_ / "metadata");
  pin_ = "{}";
  EXPECT_NE(outcome(), "");
}

TEST_F(Client, ADamagedListOfWhatWasTakenAwayIsNoEmptyOne) {
  ASSERT_EQ(outcome(), "");
  const std::string list = folder_ / "metadata/taken.json";
  ASSERT_TRUE(std::filesystem::exists(list));
  for (const char* damage : {"", "{", "{}"}) {
    std::ofstream(list) << damage;
    EXPECT_EQ(outcome(), "state_damaged") << damage;
  }
  std::filesystem::remove_all(folder_ / "metadata");
  EXPECT_EQ(outcome(), "");
}

TEST_F(Client, AnotherPinThanTheStoredRootIsRefused) {
  ASSERT_EQ(outcome(), "");
  TestRepository other(kStart);
  other.custodians_sign();
  pin_ = other.repository().roots().front();
  EXPECT_EQ(outcome(), "wrong_root");
}

TEST_F(Client, OneCustodianIsNoQuorum) {
  repository_.add_key(Role::Release, SoftwareKey(Algorithm::Ed25519));
  publication::Proposal proposal = repository_.propose();
  publication::CustodianFiles files;
  TestRepository::sign(proposal.targets, repository_.ann_);
  files.targets = proposal.targets.text();
  files.keyset = proposal.keyset;
  const Status taken = repository_.take(files);
  ASSERT_FALSE(taken);
  EXPECT_EQ(taken.error().reason, "under_signed");
}

}  // namespace
}  // namespace countersign::sync
