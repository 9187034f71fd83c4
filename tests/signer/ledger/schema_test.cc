// Only a ledger with this program's tables is opened, and answers of idempotency keys are forgotten by age.
#include "signer/ledger/sqlite_connection.h"
#include "signer/ledger/sqlite_schema.h"
#include "tests/signer/ledger/ledger_fixture.h"

namespace countersign::ledger::test {
namespace {

class SchemaTest : public LedgerTest {
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
  std::optional<std::string> answer(const std::string& key) const {
    return *store_->answer_for({1000, key, digest_of("request")});
  }
};

TEST_F(SchemaTest, AChangedLedgerIsNotOpened) {
  store_.reset();
  { ASSERT_TRUE(connection().execute("DROP INDEX one_active_key").has_value()); }
  EXPECT_EQ(SqliteStore::open(path(), clock_, options_).error().reason, "ledger_corrupt");
}

TEST_F(SchemaTest, OtherVersionsAreRefusedWithWhatToDo) {
  for (const int version : {kSchemaVersion - 1, kSchemaVersion + 1}) {
    store_.reset();
    { ASSERT_TRUE(connection().execute(("PRAGMA user_version = " + std::to_string(version)).c_str()).has_value()); }
    const auto store = SqliteStore::open(path(), clock_, options_);
    ASSERT_FALSE(store.has_value());
    EXPECT_EQ(store.error().reason, "ledger_version");
    EXPECT_NE(store.error().hint.find(version < kSchemaVersion ? "restore a backup of schema 3" : "newer version"),
              std::string::npos);
  }
}

TEST_F(SchemaTest, AnswersAreForgottenByAgeOldestFirst) {
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
