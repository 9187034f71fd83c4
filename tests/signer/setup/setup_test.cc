#include "signer/setup/first_setup.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <map>

#include "common/durable_file.h"
#include "keymgmt/key_set.h"
#include "keymgmt/publication/repository.h"
#include "signer/ledger/sqlite_store.h"
#include "tests/support/child_process.h"
#include "tests/support/fake_clock.h"
#include "tests/support/soft_token.h"
#include "tests/support/temporary_folder.h"

namespace countersign::setup {
namespace {

class Setup : public testing::Test {
 protected:
  void SetUp() override { write_config(test::kSoftHsmModule); }

  void write_config(const std::string& module) const {
    std::ofstream file(folder_ / "countersign.yaml");
    file << "state: deep/state\nsockets: {sign: run/sign.sock}\ntokens:\n";
    for (const std::string name : {"approval", "trace"}) {
      file << "  " << name << ":\n    module: " << module << "\n    environment: {SOFTHSM2_CONF: " << name
           << "/softhsm2.conf}\n    label: test-only-" << name << "\n    pin: {file: " << name << "/pin}\n";
    }
    file
        << "roles:\n  approval: {token: approval}\n  trace: {token: trace, algorithm: [ed25519, p256]}\n"
           "  release: {token: trace}\npeers: [{uid: 60001, may: [sign:trace]}]\npublication: {directory: published}\n";
  }

  Result<Json> set_up() const {
    ASSIGN_OR_RETURN(const config::Config config, config::load(folder_ / "countersign.yaml"));
    return setup::set_up(config, test::program("countersign-holder"), clock_);
  }
  std::string path(const std::string& name) const { return folder_ / name; }
  mode_t mode_of(const std::string& name) const {
    struct stat facts {};
    return stat(path(name).c_str(), &facts) == 0 ? facts.st_mode & 0777 : 0;
  }
  std::vector<keymgmt::PublishedKey> registered() const {
    const auto store = ledger::SqliteStore::open(path("deep/state/ledger.db"), clock_);
    return store ? *(*store)->keys() : std::vector<keymgmt::PublishedKey>();
  }

  test::TemporaryFolder folder_;
  test::FakeClock clock_;
};

TEST_F(Setup, MakesTokensKeysLedgerAndPublication) {
  const Result<Json> made = set_up();
  ASSERT_TRUE(made) << made.error().detail;
  EXPECT_EQ(mode_of("deep/state"), 0700U);
  EXPECT_EQ(mode_of("approval/tokens"), 0700U);
  EXPECT_EQ(mode_of("approval/pin"), 0400U);
  EXPECT_EQ(mode_of("deep/state/so-pins/approval"), 0400U);
  EXPECT_NE(*read_file(path("approval/pin")), *read_file(path("trace/pin")));
  EXPECT_EQ(read_file(path("approval/pin"))->size(), 33U);  // 128 bits in hex, and a line break
  const std::vector<keymgmt::PublishedKey> keys = registered();
  EXPECT_EQ(keys.size(), 4U);  // approval, trace in two algorithms, release
  for (const keymgmt::PublishedKey& key : keys) EXPECT_EQ(key.state, keymgmt::KeyState::Active);
  const Result<std::string> text = read_file(path("published/keyset.json"));
  ASSERT_TRUE(text);
  const Result<keymgmt::KeySet> published = keymgmt::KeySet::parse(*Json::parse(*text));
  ASSERT_TRUE(published) << published.error().detail;
  EXPECT_EQ(published->keys().size(), 4U);
  EXPECT_NE(published->active(keymgmt::Role::Trace, keymgmt::Algorithm::P256), nullptr);
  EXPECT_FALSE(std::filesystem::exists(path("deep/state/setup-unfinished")));
}

TEST_F(Setup, MakesAStandbyWhereOneIsAskedFor) {
  std::string text = *read_file(path("countersign.yaml"));
  const std::string role = "approval: {token: approval";
  text.insert(text.find(role) + role.size(), ", standby_token: trace");
  std::ofstream(path("countersign.yaml")) << text;
  ASSERT_TRUE(set_up());
  std::map<std::string, std::string> found;  // token → state
  for (const keymgmt::PublishedKey& key : registered()) {
    if (key.role != keymgmt::Role::Approval) continue;
    EXPECT_TRUE(key.published_at && key.gate_opens);
    found[key.token] = keymgmt::name_of(key.state);
  }
  EXPECT_EQ(found, (std::map<std::string, std::string>{{"approval", "active"}, {"trace", "standby"}}));
  ASSERT_TRUE(set_up());
  EXPECT_EQ(registered().size(), 5U);
}

TEST_F(Setup, ChangesNothingTheSecondTime) {
  const Result<Json> first = set_up();
  ASSERT_TRUE(first) << first.error().detail;
  const std::string pin = *read_file(path("trace/pin"));
  const Result<Json> second = set_up();
  ASSERT_TRUE(second) << second.error().detail;
  EXPECT_FALSE(second->find("ledger")->find("created")->as_bool());
  EXPECT_EQ(second->find("keys")->compact(), first->find("keys")->compact());
  EXPECT_EQ(second->find("published")->compact(), first->find("published")->compact());
  EXPECT_EQ(*read_file(path("trace/pin")), pin);
}

TEST_F(Setup, MakesATrialRootThatListsEveryKey) {
  std::string text = *read_file(path("countersign.yaml"));
  const std::string role = "release: {token: trace}";
  text.insert(text.find(role) + role.size(), "\n  publication: {token: trace}");
  std::ofstream(path("countersign.yaml")) << text;
  const Result<Json> made = set_up();
  ASSERT_TRUE(made) << made.error().detail;
  const auto repository = publication::Repository::load(path("deep/state"));
  ASSERT_TRUE(repository) << repository.error().detail;
  EXPECT_TRUE(repository->root().trial);
  EXPECT_EQ(repository->root().root.threshold, 2);
  EXPECT_EQ(repository->root().root.key_ids.size(), 3U);
  for (const keymgmt::PublishedKey& key : registered()) {
    EXPECT_NE(repository->keys().find(key.key.kid()), nullptr) << key.label;
  }
  EXPECT_EQ(mode_of("deep/state/trial-custodians"), 0700U);
  for (const char* file : {"custodian-1.pem", "custodian-3.pem", "passphrase"}) {
    EXPECT_EQ(mode_of("deep/state/trial-custodians/" + std::string(file)), 0600U) << file;
  }
  ASSERT_TRUE(set_up());
  EXPECT_EQ(publication::Repository::load(path("deep/state"))->targets().version, 1U) << "nothing new, nothing signed";
}

TEST_F(Setup, NeverReplacesALostLedger) {
  ASSERT_TRUE(set_up());
  for (const char* file : {"ledger.db", "ledger.db-wal", "ledger.db-shm"}) {
    std::filesystem::remove(path("deep/state/" + std::string(file)));
  }
  for (int again = 0; again < 2; ++again) {
    const Result<Json> refused = set_up();
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().reason, "ledger_missing");
    EXPECT_FALSE(std::filesystem::exists(path("deep/state/ledger.db")));
  }
}

TEST_F(Setup, GoesOnWhereItWasInterrupted) {
  ASSERT_TRUE(set_up());
  // As after a crash between the last key and the ledger.
  for (const char* file : {"ledger.db", "ledger.db-wal", "ledger.db-shm"}) {
    std::filesystem::remove(path("deep/state/" + std::string(file)));
  }
  std::filesystem::remove_all(path("published"));
  ASSERT_TRUE(write_durable(path("deep/state/setup-unfinished"), "", 0600));
  const Result<Json> made = set_up();
  ASSERT_TRUE(made) << made.error().detail;
  EXPECT_EQ(registered().size(), 4U);
  EXPECT_FALSE(std::filesystem::exists(path("deep/state/setup-unfinished")));
}

TEST_F(Setup, MakesNoNewPinForATokenThatHasOne) {
  ASSERT_TRUE(set_up());
  std::filesystem::remove(path("trace/pin"));
  const Result<Json> refused = set_up();
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().reason, "pin_missing");
  EXPECT_FALSE(std::filesystem::exists(path("trace/pin")));
}

TEST_F(Setup, LeavesOtherModulesToACeremony) {
  std::filesystem::copy_file(test::kSoftHsmModule, path("vendor.so"));
  write_config(path("vendor.so"));
  const Result<Json> refused = set_up();
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().reason, "ceremony_needed");
  EXPECT_EQ(row_of(refused.error().code).exit_code, 3);
  EXPECT_FALSE(refused.error().hint.empty());
  EXPECT_FALSE(std::filesystem::exists(path("deep")));
}

TEST_F(Setup, RefusesAPinFileThatOthersCanRead) {
  std::filesystem::create_directory(path("trace"));
  std::ofstream(path("trace/pin")) << "test-only-pin\n";
  ASSERT_EQ(chmod(path("trace/pin").c_str(), 0444), 0);
  const Result<Json> refused = set_up();
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::Refused);
}

}  // namespace
}  // namespace countersign::setup
