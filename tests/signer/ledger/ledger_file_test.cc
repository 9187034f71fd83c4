// Checking, copying and putting back a ledger's file.
#include "signer/ledger/ledger_file.h"

#include <filesystem>

#include "common/bytes.h"
#include "common/durable_file.h"
#include "signer/ledger/sqlite_connection.h"
#include "tests/signer/ledger/ledger_fixture.h"

namespace countersign::ledger::test {
namespace {

constexpr std::size_t kLargestLedger = std::size_t{64} << 20;

class LedgerFileTest : public LedgerTest {
 protected:
  void SetUp() override {
    LedgerTest::SetUp();
    std::vector<Item> items;
    items.push_back(deciding("asked", "deploy", Verdict::RequireApproval));
    items.push_back(minting("t1", "deploy"));
    for (int i = 0; i < 700; ++i) items.push_back(signed_item(std::to_string(i)));
    ASSERT_TRUE(store_->commit(items).has_value());
  }
  std::string backup() const { return folder_ / "backup.db"; }
  void make_backup() const {
    const auto made = back_up(path(), backup(), {});
    ASSERT_TRUE(made.has_value()) << made.error().detail;
  }
  RestorePlan plan() const {
    RestorePlan plan;
    plan.backup = backup();
    plan.ledger = path();
    plan.reason = "the disk died";
    plan.uid = 7;
    plan.event.event = "ledger_restored";
    return plan;
  }
  AnchorReading anchor(const TreeHead& head) const {
    return {"publication directory", Anchor{head.size, head.root, clock_.now()}};
  }
  static std::string reason_of(const auto& result) { return result ? "ok" : result.error().wire_code(); }
  // What is not the ledger itself, its lock, or a backup.
  std::vector<std::string> others() const {
    std::vector<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(std::filesystem::path(path()).parent_path())) {
      const std::string name = entry.path().filename().string();
      if (name != "ledger.db" && name != "ledger.db.lock" && name != "backup.db") names.push_back(name);
    }
    return names;
  }
  void edit(const std::string& file, const char* sql) const {
    auto connection = Connection::open(file, Connection::Access::ReadWrite);
    ASSERT_TRUE(connection.has_value());
    ASSERT_TRUE(connection->execute(sql).has_value());
  }
};

TEST_F(LedgerFileTest, BacksUpOneStateWhileItIsWritten) {
  bool written = false;
  const auto made = back_up(path(), backup(), {}, [&](std::string_view, std::uint64_t, std::uint64_t) {
    if (!written) written = outcome(signed_item("meanwhile")) == "702";
  });
  ASSERT_TRUE(made.has_value()) << made.error().detail;
  EXPECT_TRUE(written);
  EXPECT_EQ(made->verification.head.size, 702U);
  EXPECT_EQ(store_->head().size, 703U);
  EXPECT_EQ(std::filesystem::status(backup()).permissions(), std::filesystem::perms(0600));
  EXPECT_TRUE(verify_file(backup(), {}).has_value());
  EXPECT_EQ(reason_of(back_up(path(), backup(), {})), "backup_exists");
}

TEST_F(LedgerFileTest, ReadingABackupMakesNothingBesideIt) {
  make_backup();
  store_.reset();
  ASSERT_TRUE(verify_file(backup(), {}).has_value());
  EXPECT_EQ(others(), std::vector<std::string>{});
}

TEST_F(LedgerFileTest, VerifiesARunningLedgerAndFindsDamage) {
  ASSERT_TRUE(verify_file(path(), {anchor(store_->head())}).has_value());
  edit(path(), "UPDATE records SET body = x'7b7d' WHERE idx = 3");
  EXPECT_EQ(reason_of(verify_file(path(), {})), "ledger_forked");
  EXPECT_EQ(reason_of(back_up(path(), backup(), {})), "ledger_forked");
  EXPECT_FALSE(std::filesystem::exists(backup()));
  EXPECT_FALSE(std::filesystem::exists(backup() + ".making"));
}

TEST_F(LedgerFileTest, VerifyingComparesAnchors) {
  TreeHead head = store_->head();
  head.size += 1;
  EXPECT_EQ(reason_of(verify_file(path(), {anchor(head)})), "ledger_rolled_back");
  head.size -= 2;
  EXPECT_EQ(reason_of(verify_file(path(), {anchor(head)})), "ledger_forked");
  EXPECT_EQ(reason_of(verify_file(folder_ / "none.db", {})), "ledger_missing");
}

TEST_F(LedgerFileTest, ARestoredLedgerRefusesWhatWasMadeBefore) {
  make_backup();
  const UtcTime minted = clock_.now();
  EXPECT_TRUE(store_->usable(minted).has_value());
  ASSERT_EQ(outcome(redeeming("lost", "t1")), "702");
  const TreeHead before = store_->head();
  store_.reset();
  clock_.advance(std::chrono::minutes(1));
  const auto restored = restore(plan(), clock_);
  ASSERT_TRUE(restored.has_value()) << restored.error().detail;
  EXPECT_EQ(restored->backup.size, 702U);
  reopen();
  ASSERT_NE(store_, nullptr);
  EXPECT_EQ(store_->head().size, 703U);
  EXPECT_EQ(reason_of(store_->usable(minted)), "made_before_restore");
  EXPECT_EQ(reason_of(store_->usable(clock_.now())), "made_before_restore");  // of the restore's own second
  EXPECT_TRUE(store_->usable(clock_.now() + std::chrono::seconds(1)).has_value());
  const auto record = store_->record(702);
  ASSERT_TRUE(record.has_value());
  EXPECT_EQ(record->record.kind, "restored");
  EXPECT_EQ(record->record.peer_uid, 7U);
  EXPECT_NE(record->record.body.find("the disk died"), std::string::npos);
  EXPECT_EQ(store_->outbox(10)->front().event.event, "ledger_restored");
  EXPECT_TRUE(store_->verify().has_value());
  // The old one is kept, whole.
  EXPECT_EQ(verify_file(restored->moved_aside + "/ledger.db", {})->verification.head.root, before.root);
}

TEST_F(LedgerFileTest, ARestoreIsRefusedWhileTheLedgerIsOpenOrTheBackupBad) {
  make_backup();
  EXPECT_EQ(reason_of(restore(plan(), clock_)), "ledger_in_use");
  store_.reset();
  edit(backup(), "UPDATE records SET kid = 'another' WHERE idx = 600");
  for (const char* suffix : {"-wal", "-shm"}) std::filesystem::remove(backup() + suffix);
  const std::string before = *read_file(path(), kLargestLedger);
  EXPECT_EQ(reason_of(restore(plan(), clock_)), "ledger_forked");
  EXPECT_EQ(*read_file(path(), kLargestLedger), before);
  EXPECT_EQ(others(), std::vector<std::string>{});
  RestorePlan silent = plan();
  silent.reason.clear();
  EXPECT_EQ(reason_of(restore(silent, clock_)), "invalid");
}

TEST_F(LedgerFileTest, AnAnchorThatIsAheadIsOverruledOnlyOnTheOperatorsWord) {
  make_backup();
  ASSERT_EQ(outcome(signed_item("lost")), "702");
  const AnchorReading ahead = anchor(store_->head());
  store_.reset();
  clock_.advance(std::chrono::minutes(1));
  RestorePlan careful = plan();
  careful.anchors = {ahead};
  EXPECT_EQ(reason_of(restore(careful, clock_)), "backup_behind_anchor");
  // An operator who has not been asked: the anchor that only the token holds is seen at start.
  ASSERT_TRUE(restore(plan(), clock_).has_value());
  reopen();
  EXPECT_EQ(reason_of(check_anchors(*store_, std::vector{ahead})), "ledger_forked");
  store_.reset();
  careful.accept_loss = true;
  ASSERT_TRUE(restore(careful, clock_).has_value());
  reopen();
  const auto compared = check_anchors(*store_, std::vector{ahead});
  ASSERT_TRUE(compared.has_value()) << compared.error().detail;
  EXPECT_EQ(compared->findings.size(), 1U);
  // Not an anchor that was written later, nor one that the backup should have agreed with.
  clock_.advance(std::chrono::minutes(1));
  const AnchorReading later = {"trace token", Anchor{ahead.anchor->size + 10, ahead.anchor->root, clock_.now()}};
  EXPECT_EQ(reason_of(check_anchors(*store_, std::vector{later})), "ledger_rolled_back");
  const AnchorReading other = {"trace token", Anchor{600, ahead.anchor->root, ahead.anchor->at}};
  EXPECT_EQ(reason_of(check_anchors(*store_, std::vector{other})), "ledger_forked");
}

TEST_F(LedgerFileTest, ABackupOfOtherRecordsIsNoBackupOfThisLedger) {
  make_backup();
  store_.reset();
  RestorePlan foreign = plan();
  foreign.accept_loss = true;
  foreign.anchors = {{"publication directory", Anchor{5, digest_of("another tree"), clock_.now()}}};
  EXPECT_EQ(reason_of(restore(foreign, clock_)), "ledger_forked");
}

TEST_F(LedgerFileTest, ARestoreThatWasInterruptedIsCompletedByTheSameCall) {
  make_backup();
  store_.reset();
  // As after a crash between moving the old ledger aside and putting the copy in place, with the log of the old one
  // left behind: it must not be read as the new one's.
  std::filesystem::rename(path(), folder_ / "aside.db");
  std::ofstream(path() + "-wal") << "left behind";
  std::ofstream(path() + ".restoring") << "half a copy";
  EXPECT_EQ(reason_of(SqliteStore::open(path(), clock_, options_)), "ledger_missing");
  const auto restored = restore(plan(), clock_);
  ASSERT_TRUE(restored.has_value()) << restored.error().detail;
  EXPECT_TRUE(std::filesystem::exists(restored->moved_aside + "/ledger.db-wal"));
  reopen();
  EXPECT_EQ(store_->head().size, 703U);
}

TEST_F(LedgerFileTest, KeysStayWhatVerifiersWereTold) {
  const UtcTime now = clock_.now();
  keymgmt::PublishedKey key{
      .key = *keymgmt::PublicKey::from_raw(
          keymgmt::Algorithm::Ed25519, *from_hex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a")),
      .role = keymgmt::Role::Trace,
      .state = keymgmt::KeyState::Generated,
      .token_id = "00",
      .label = "test-only",
      .created_at = now,
      .not_before = now,
      .not_after = std::nullopt,
      .compromised_since = std::nullopt};
  const auto step = [&](keymgmt::KeyState state) {
    key.state = state;
    return store_->put_keys(std::vector{key}, now);
  };
  for (const auto state : {keymgmt::KeyState::Generated, keymgmt::KeyState::Attested, keymgmt::KeyState::Staged,
                           keymgmt::KeyState::Standby, keymgmt::KeyState::Active}) {
    ASSERT_TRUE(step(state).has_value());
  }
  make_backup();
  const std::uint64_t version = *store_->key_set_version();
  store_.reset();
  // Halted since: the backup thinks that it signs.
  RestorePlan halted = plan();
  key.state = keymgmt::KeyState::Retired;
  key.compromised_since = now;
  halted.published = {key};
  halted.published_version = version + 5;
  const auto restored = restore(halted, clock_);
  ASSERT_TRUE(restored.has_value()) << restored.error().detail;
  reopen();
  ASSERT_EQ(store_->keys()->size(), 1U);
  EXPECT_EQ(store_->keys()->front().state, keymgmt::KeyState::Retired);
  EXPECT_EQ(store_->keys()->front().compromised_since, now);
  EXPECT_GT(*store_->key_set_version(), version + 5);
  EXPECT_TRUE(store_->verify().has_value());
}

TEST_F(LedgerFileTest, SequencesGoOnBeyondWhatWasLost) {
  make_backup();
  const std::uint64_t used = *store_->next_sequence();
  store_.reset();
  ASSERT_TRUE(restore(plan(), clock_).has_value());
  reopen();
  EXPECT_GT(*store_->next_sequence(), used + 1'000'000);
}

}  // namespace
}  // namespace countersign::ledger::test
