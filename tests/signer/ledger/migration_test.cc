// A ledger of schema 2 becomes one of this program's, whole or not at all, and answers are forgotten by age.
#include <algorithm>

#include "signer/ledger/ledger_file.h"
#include "signer/ledger/sqlite_connection.h"
#include "signer/ledger/sqlite_migration.h"
#include "signer/ledger/sqlite_schema.h"
#include "tests/signer/ledger/ledger_fixture.h"

namespace countersign::ledger::test {
namespace {

class MigrationTest : public LedgerTest {
 protected:
  void SetUp() override {
    LedgerTest::SetUp();
    ASSERT_EQ(outcome(redeeming("first", "t1")), "0");
    ASSERT_EQ(outcome(answered("a")), "1");
    ASSERT_EQ(outcome(answered("b")), "2");
  }
  Item answered(const std::string& key) const {
    Item item = signed_item("answered " + key, clock_.now());
    item.idempotency = IdempotencyKey{1000, key, digest_of("request")};
    item.answer = R"({"log_index":%LOG_INDEX%})";
    return item;
  }
  Connection connection() const { return *Connection::open(path(), Connection::Access::ReadWrite); }
  // What version 2 of the program left behind: the same rows in its tables.
  void make_version_2() {
    store_.reset();
    Connection ledger = connection();
    ASSERT_TRUE(ledger.execute("BEGIN; ALTER TABLE idempotency RENAME TO newer").has_value());
    ASSERT_TRUE(ledger.execute(kTables2).has_value());
    ASSERT_TRUE(
        ledger
            .execute("INSERT INTO idempotency SELECT peer_uid, key, request_digest, answer, checksum FROM newer "
                     "ORDER BY rowid; DROP TABLE newer; DROP TABLE restores; PRAGMA user_version = 2; COMMIT")
            .has_value());
  }
  std::optional<std::string> answer(const std::string& key) const {
    return *store_->answer_for({1000, key, digest_of("request")});
  }
};

TEST_F(MigrationTest, KeepsEverythingAndEveryLeaf) {
  const TreeHead head = store_->head();
  make_version_2();
  EXPECT_TRUE(verify_file(path(), {}).has_value());  // reads it as it is
  reopen();
  ASSERT_NE(store_, nullptr);
  EXPECT_EQ(store_->head().root, head.root);
  EXPECT_EQ(answer("a"), R"({"log_index":1})");
  EXPECT_TRUE(*store_->redeemed("t1"));
  EXPECT_TRUE(store_->verify().has_value());
  Connection ledger = connection();
  EXPECT_EQ(*check_schema(ledger), kSchemaVersion);
  store_.reset();
}

TEST_F(MigrationTest, AChangedLedgerIsNotMigrated) {
  make_version_2();
  { ASSERT_TRUE(connection().execute("DROP INDEX one_active_key").has_value()); }
  EXPECT_EQ(SqliteStore::open(path(), clock_, options_).error().reason, "ledger_corrupt");
}

TEST_F(MigrationTest, AnInterruptedOneLeavesTheOldLedger) {
  make_version_2();
  {
    Connection ledger = connection();
    ASSERT_TRUE(ledger.execute("BEGIN IMMEDIATE").has_value());
    ASSERT_TRUE(ledger.execute(kSchemas[0].before).has_value());
    ASSERT_TRUE(ledger.execute(kSchemas[1].tables).has_value());
  }  // the process is gone before COMMIT
  Connection ledger = connection();
  EXPECT_EQ(*check_schema(ledger), 2);
}

TEST_F(MigrationTest, AFailedStepChangesNothing) {
  make_version_2();
  Connection ledger = connection();
  ASSERT_TRUE(ledger.execute("CREATE TABLE restores(a)").has_value());  // in the way of the second step
  EXPECT_FALSE(migrate(ledger, 2).has_value());
  EXPECT_FALSE(ledger.in_transaction());
  ASSERT_TRUE(ledger.execute("DROP TABLE restores").has_value());
  EXPECT_EQ(*check_schema(ledger), 2);
}

TEST_F(MigrationTest, OtherVersionsAreRefusedWithWhatToDo) {
  for (const int version : {1, kSchemaVersion + 1}) {
    store_.reset();
    { ASSERT_TRUE(connection().execute(("PRAGMA user_version = " + std::to_string(version)).c_str()).has_value()); }
    const auto store = SqliteStore::open(path(), clock_, options_);
    ASSERT_FALSE(store.has_value());
    EXPECT_EQ(store.error().reason, "ledger_version");
    EXPECT_NE(store.error().hint.find(version == 1 ? "schema 2 or later" : "newer version"), std::string::npos);
  }
}

TEST_F(MigrationTest, AnswersAreForgottenByAgeOldestFirst) {
  const UtcTime begun = clock_.now();
  clock_.advance(std::chrono::hours(1));
  ASSERT_EQ(outcome(answered("c")), "3");
  const TreeHead head = store_->head();
  EXPECT_EQ(*store_->forget_answers(begun, 10), 0U);  // given before, not at
  EXPECT_EQ(*store_->forget_answers(begun + std::chrono::minutes(1), 1), 1U);
  EXPECT_EQ(answer("a"), std::nullopt);
  EXPECT_NE(answer("b"), std::nullopt);
  EXPECT_EQ(*store_->forget_answers(begun + std::chrono::minutes(1), 10), 1U);
  EXPECT_NE(answer("c"), std::nullopt);
  EXPECT_EQ(store_->head().root, head.root);
  EXPECT_TRUE(store_->verify().has_value());
  // A request that comes again is a new one.
  EXPECT_EQ(outcome(answered("a")), "4");
  EXPECT_EQ(outcome(answered("c")), "idempotency_repeated");
  reopen();
  EXPECT_EQ(answer("a"), R"({"log_index":4})");
}

}  // namespace
}  // namespace countersign::ledger::test
