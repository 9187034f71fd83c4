// Ledgers that are missing, cut short, changed or rolled back: refused with a reason, or nothing that counts was hit.
#include <cstdlib>
#include <random>

#include "common/durable_file.h"
#include "signer/ledger/sqlite_connection.h"
#include "tests/signer/ledger/ledger_fixture.h"

namespace countersign::ledger::test {
namespace {

constexpr std::size_t kLargestLedger = std::size_t{64} << 20;
constexpr std::uint64_t kFirstOfLast = 1100;

class DamageTest : public LedgerTest {
 protected:
  void SetUp() override {
    LedgerTest::SetUp();
    std::vector<Item> items;
    // Enough for full tiles (256) and a sorted block of decisions (1,024), with some of all kinds after them.
    items.push_back(deciding("old decision", "old", Verdict::Allow));
    for (std::uint64_t i = 1; i < kFirstOfLast; ++i) items.push_back(signed_item(std::to_string(i)));
    items.push_back(deciding("decision", "deploy", Verdict::RequireApproval));
    items.push_back(minting("t1", "deploy"));
    items.push_back(redeeming("redeeming", "t1"));
    items.push_back(signed_item("run"));
    items.back().execute_trace = digest_of("signed redeeming");
    items.push_back(signed_item("answered"));
    items.back().idempotency = IdempotencyKey{1000, "key", digest_of("request")};
    items.back().answer = R"({"log_index":%LOG_INDEX%})";
    ASSERT_TRUE(store_->commit(items).has_value());
    store_.reset();
    whole_ = *read_file(path(), kLargestLedger);
  }
  std::string reason_of_opening() const {
    const auto store = SqliteStore::open(path(), clock_, options_);
    return store ? "ok" : store.error().wire_code();
  }
  void put_back(const std::string& content) const {
    for (const char* suffix : {"-wal", "-shm"}) std::filesystem::remove(path() + suffix);
    std::ofstream(path(), std::ios::binary | std::ios::trunc) << content;
  }
  void edit(const char* sql) const {
    auto connection = Connection::open(path(), Connection::Access::ReadWrite);
    ASSERT_TRUE(connection.has_value());
    const Status done = connection->execute(sql);
    ASSERT_TRUE(done.has_value()) << done.error().detail;
  }
  // Everything callers can learn, as one text; "refused" where a query says that what it found is damaged. The outbox
  // is left out: it changes by itself, and a changed notification allows nobody anything.
  std::string facts(const SqliteStore& store) const {
    std::string text = std::to_string(store.head().size) + store.head().root.hex();
    for (std::uint64_t i = 0; i < store.head().size; ++i) {
      const auto record = store.record(i);
      if (!record) return "refused";
      text += record->leaf + record->record.body + record->effects;
    }
    const Digest intent = digest_of("intent deploy");
    const auto decision = store.latest_decision(intent, digest_of("policy"));
    const auto document = store.intent_document(intent);
    const auto answer = store.answer_for({1000, "key", digest_of("request")});
    const auto minted = store.minted(intent, digest_of("policy"));
    const auto redeemed = store.redeemed("t1");
    const auto trace = store.index_of_trace(intent, digest_of("signed decision"));
    const auto version = store.key_set_version();
    if (!decision || !document || !answer || !minted || !redeemed || !trace || !version) return "refused";
    text += *decision ? (*decision)->facts.requester + std::string(name_of((*decision)->verdict)) : "no decision";
    text += *document ? **document : "no intent";
    text += *answer ? **answer : "no answer";
    text += minted->size() == 1 ? minted->front().token_id + minted->front().approver_key : "no token";
    text += *redeemed ? "redeemed" : "fresh";
    text += *trace ? std::to_string(**trace) : "no trace";
    return sha256(text + std::to_string(*version)).hex();
  }
  std::string whole_;
};

TEST_F(DamageTest, AMissingLedgerIsAFaultAndNeverAnEmptyOne) {
  ASSERT_EQ(reason_of_opening(), "ok");
  std::filesystem::remove(path());
  const auto store = SqliteStore::open(path(), clock_, options_);
  ASSERT_FALSE(store.has_value());
  EXPECT_EQ(store.error().reason, "ledger_missing");
  EXPECT_NE(store.error().hint.find("restore"), std::string::npos);
  EXPECT_FALSE(std::filesystem::exists(path()));
}

TEST_F(DamageTest, RefusesALedgerThatOthersCanReach) {
  std::filesystem::permissions(path(), std::filesystem::perms(0640));
  EXPECT_EQ(reason_of_opening(), "ledger_exposed");
  std::filesystem::permissions(path(), std::filesystem::perms(0600));
  EXPECT_EQ(reason_of_opening(), "ok");
}

TEST_F(DamageTest, RefusesATruncatedFile) {
  for (const std::size_t size : {std::size_t{0}, std::size_t{50}, std::size_t{100}, std::size_t{4096},
                                 whole_.size() / 2, whole_.size() - 4096, whole_.size() - 1}) {
    put_back(whole_.substr(0, size));
    EXPECT_EQ(reason_of_opening(), "ledger_truncated") << size;
  }
  put_back(whole_);
  EXPECT_EQ(reason_of_opening(), "ok");
}

TEST_F(DamageTest, RefusesAFileThatIsNoLedger) {
  put_back(std::string(100'000, 'x'));
  EXPECT_EQ(reason_of_opening(), "ledger_corrupt");
  std::filesystem::remove(path());
  {
    auto other = Connection::open(path(), Connection::Access::Create);
    ASSERT_TRUE(other->execute("CREATE TABLE t(a); INSERT INTO t VALUES(1);"));
  }
  std::filesystem::permissions(path(), std::filesystem::perms(0600));
  EXPECT_EQ(reason_of_opening(), "ledger_corrupt");
}

struct Edit {
  const char* sql;
  const char* expected;
};

TEST_F(DamageTest, RefusesWhatSomebodyEdited) {
  for (const Edit& change : {
           Edit{"UPDATE records SET body = x'7b7d' WHERE idx = 3", "ledger_forked"},
           Edit{"UPDATE records SET kid = 'another' WHERE idx = 3", "ledger_forked"},
           Edit{"UPDATE records SET kid = 'another' WHERE idx = 1099", "ledger_forked"},
           Edit{"UPDATE records SET effects = '' WHERE idx = 1102", "ledger_forked"},
           Edit{"UPDATE tiles SET hashes = zeroblob(8192) WHERE idx = 1", "ledger_forked"},
           Edit{"UPDATE nodes SET hash = zeroblob(32) WHERE idx = 1", "ledger_forked"},
           Edit{"DELETE FROM tiles WHERE idx = 1", "ledger_truncated"},
           Edit{"DELETE FROM nodes WHERE idx = 1", "ledger_truncated"},
           Edit{"PRAGMA foreign_keys = OFF; DELETE FROM records WHERE idx = 3", "ledger_truncated"},
           Edit{"PRAGMA foreign_keys = OFF; DELETE FROM records WHERE idx = 1104", "ledger_truncated"},
           Edit{"INSERT INTO records SELECT 1105, at, kind, type, role, kid, body_digest, signature_digest, peer_uid, "
                "request_id, effects, body FROM records WHERE idx = 1104",
                "ledger_forked"},
           Edit{"UPDATE meta SET size = 1104", "ledger_corrupt"},
           Edit{"UPDATE meta SET root = zeroblob(32)", "ledger_corrupt"},
           Edit{"UPDATE meta SET high_water = 0", "ledger_corrupt"},
           Edit{"DELETE FROM meta", "ledger_truncated"},
           Edit{"DELETE FROM redemptions", "ledger_corrupt"},
           Edit{"UPDATE redemptions SET token_id = 't2'", "ledger_corrupt"},
           Edit{"UPDATE redemptions SET token_digest = zeroblob(32)", "ledger_corrupt"},
           Edit{"INSERT INTO redemptions VALUES('t9', zeroblob(32), 3)", "ledger_corrupt"},
           Edit{"PRAGMA foreign_keys = OFF; INSERT INTO redemptions VALUES('t9', zeroblob(32), 9999)",
                "ledger_corrupt"},
           Edit{"DELETE FROM executions", "ledger_corrupt"},
           Edit{"DELETE FROM decisions", "ledger_corrupt"},
           Edit{"UPDATE required SET at = at - 1", "ledger_corrupt"},
           Edit{"DELETE FROM required", "ledger_corrupt"},
           Edit{"UPDATE minted SET idx = 3", "ledger_corrupt"},
           Edit{"DELETE FROM minted", "ledger_corrupt"},
           Edit{"DROP INDEX one_active_key", "ledger_corrupt"},
           Edit{"CREATE TRIGGER t AFTER INSERT ON redemptions BEGIN DELETE FROM redemptions; END", "ledger_corrupt"},
           Edit{"PRAGMA user_version = 99", "ledger_version"},
           Edit{"PRAGMA application_id = 7", "ledger_corrupt"},
       }) {
    put_back(whole_);
    edit(change.sql);
    EXPECT_EQ(reason_of_opening(), change.expected) << change.sql;
  }
  put_back(whole_);
  EXPECT_EQ(reason_of_opening(), "ok");
}

TEST_F(DamageTest, FindsAnOldEditThatOpeningDoesNotLookAtByVerifying) {
  for (const Edit& change : {
           Edit{"UPDATE records SET body = x'7b7d' WHERE idx = 3", "ledger_forked"},
           Edit{"UPDATE tiles SET hashes = zeroblob(8192) WHERE idx = 1", "ledger_forked"},
           Edit{"DELETE FROM decisions WHERE idx = 0", "ledger_corrupt"},
           Edit{"INSERT INTO redemptions VALUES('t9', zeroblob(32), 3)", "ledger_corrupt"},
           Edit{"UPDATE required SET pending = 0", "ledger_corrupt"},
       }) {
    put_back(whole_);
    edit(change.sql);
    options_.recheck = 10;
    const auto store = made(SqliteStore::open(path(), clock_, options_));
    ASSERT_NE(store, nullptr);
    EXPECT_EQ(store->verify().error().reason, change.expected) << change.sql;
  }
}

TEST_F(DamageTest, ReadsNoRecordThatIsNotInTheTree) {
  edit("UPDATE records SET body = x'7b7d' WHERE idx = 3");
  options_.recheck = 10;
  const auto store = made(SqliteStore::open(path(), clock_, options_));
  ASSERT_NE(store, nullptr);
  EXPECT_EQ(store->record(3).error().reason, "ledger_forked");
  EXPECT_TRUE(store->record(4).has_value());
}

TEST_F(DamageTest, NeverBelievesAFlippedByte) {
  std::string expected;
  {
    const auto store = made(SqliteStore::open(path(), clock_, options_));
    expected = facts(*store);
    ASSERT_NE(expected, "refused");
  }
  put_back(whole_);
  const char* wanted = std::getenv("COUNTERSIGN_FLIPS");
  const int random_flips = wanted != nullptr ? std::atoi(wanted) : 300;
  std::mt19937 random(20270115);  // the same flips each time
  std::vector<std::size_t> places;
  for (std::size_t i = 0; i < 4096; i += 32) places.push_back(whole_.size() - 4096 + i);
  for (int i = 0; i < random_flips; ++i) places.push_back(random() % whole_.size());
  int refused = 0;
  for (const std::size_t place : places) {
    std::string flipped = whole_;
    flipped[place] = static_cast<char>(static_cast<unsigned char>(flipped[place]) ^ (1U << random() % 8));
    put_back(flipped);
    const auto store = SqliteStore::open(path(), clock_, options_);
    if (!store) {
      EXPECT_TRUE(store.error().reason.starts_with("ledger_")) << place << ": " << store.error().detail;
      ++refused;
      continue;
    }
    const std::string found = facts(**store);
    if (found == "refused") {
      ++refused;
      continue;
    }
    EXPECT_EQ(found, expected) << "byte " << place;  // free space of a page, a field SQLite does not use
  }
  EXPECT_GT(refused, static_cast<int>(places.size()) / 10);
}

}  // namespace
}  // namespace countersign::ledger::test
