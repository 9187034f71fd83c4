// What opening a big ledger leaves to the check in the background, and what is not done before it said so.
#include "signer/ledger/background_check.h"

#include <condition_variable>
#include <filesystem>
#include <mutex>
#include <optional>
#include <thread>

#include "signer/ledger/findings.h"
#include "signer/ledger/sqlite_connection.h"
#include "tests/signer/ledger/ledger_fixture.h"

namespace countersign::ledger::test {
namespace {

// What the check says on its thread, waited for.
class Finding {
 public:
  BackgroundCheck::Damaged receiver() {
    return [this](const Error& error) {
      const std::lock_guard lock(mutex_);
      found_ = error.wire_code();
      told_.notify_all();
    };
  }
  std::string wait() {
    std::unique_lock lock(mutex_);
    told_.wait_for(lock, std::chrono::minutes(2), [this] { return found_.has_value(); });
    return found_.value_or("nothing");
  }

 private:
  std::mutex mutex_;
  std::condition_variable told_;
  std::optional<std::string> found_;
};

class BackgroundCheckTest : public LedgerTest {
 protected:
  // 6,000 records, a minute between each thousand; the first redeems.
  void SetUp() override {
    LedgerTest::SetUp();
    ASSERT_EQ(outcome(redeeming("first", "t1")), "0");
    for (int i = 0; i < 6; ++i) {
      clock_.advance(std::chrono::minutes(1));
      std::vector<Item> items;
      for (int j = 0; j < 1000; ++j) items.push_back(signed_item(std::to_string(i * 1000 + j), clock_.now()));
      ASSERT_TRUE(store_->commit(items).has_value());
    }
    options_.recheck = 10;
    reopen();
  }
  void edit(const char* sql) const {
    auto connection = Connection::open(path(), Connection::Access::ReadWrite);
    ASSERT_TRUE(connection.has_value());
    ASSERT_TRUE(connection->execute(sql).has_value());
  }
  std::string reason_of(const Status& status) const { return status ? "ok" : status.error().wire_code(); }
  void wait_for_round(std::uint64_t round) const {
    while (store_->check_report()->rounds < round) std::this_thread::yield();  // polls a condition
  }
};

TEST_F(BackgroundCheckTest, WhatItDidNotReachIsNotUsed) {
  // Opening proved the newest tile: what is made from now on may be used, older tokens not before the check reached
  // them.
  EXPECT_TRUE(store_->usable(clock_.now() + std::chrono::seconds(10)).has_value());
  EXPECT_EQ(reason_of(store_->usable(clock_.now() - std::chrono::minutes(3))), "ledger_check_pending");
  Finding finding;
  store_->watch({}, finding.receiver());
  wait_for_round(1);
  EXPECT_TRUE(store_->usable(clock_.now() - std::chrono::minutes(3)).has_value());
  const CheckReport report = *store_->check_report();
  EXPECT_EQ(report.size, 6001U);
  EXPECT_EQ(report.checked, 6001U);
  EXPECT_EQ(report.doing, "done");
  EXPECT_EQ(report.completed, clock_.now());
}

TEST_F(BackgroundCheckTest, ASmallLedgerIsProvedWhenItOpens) {
  options_.recheck = 10'000;
  reopen();
  EXPECT_TRUE(store_->usable(UtcTime::from_unix(0)).has_value());
}

TEST_F(BackgroundCheckTest, TimesAcrossAResetAreNotComparable) {
  Item reset = signed_item("reset", clock_.now());
  reset.record.kind = "time_reset";
  ASSERT_EQ(outcome(reset), "6001");
  reopen();
  EXPECT_EQ(reason_of(store_->usable(clock_.now() + std::chrono::minutes(1))), "ledger_check_pending");
}

TEST_F(BackgroundCheckTest, ADroppedRedemptionStopsSigningAndTheNextStart) {
  edit("DELETE FROM redemptions");
  reopen();  // does not see it: record 0 is old
  ASSERT_NE(store_, nullptr);
  ASSERT_EQ(outcome(signed_item("before")), "6001");
  Finding finding;
  store_->watch({}, finding.receiver());
  EXPECT_EQ(finding.wait(), "ledger_corrupt");
  EXPECT_EQ(outcome(signed_item("after")), "ledger_corrupt");
  Item refused = signed_item("told");
  refused.record.kind = "incident";
  EXPECT_EQ(outcome(refused), "6002");
  EXPECT_EQ(store_->check_report()->state, CheckReport::State::Damaged);
  // Nothing is signed after a restart either: what was suspected is checked whole before it is opened.
  EXPECT_TRUE(std::filesystem::exists(suspect_mark(path())));
  store_.reset();
  EXPECT_EQ(SqliteStore::open(path(), clock_, options_).error().reason, "ledger_corrupt");
  edit("INSERT INTO redemptions SELECT 't1', body_digest, 0 FROM records WHERE idx = 0");
  EXPECT_EQ(SqliteStore::open(path(), clock_, options_).error().reason, "ledger_corrupt");
  EXPECT_TRUE(std::filesystem::exists(suspect_mark(path())));
}

TEST_F(BackgroundCheckTest, AMarkOfAMendedLedgerIsRemovedByAWholeCheck) {
  std::ofstream(suspect_mark(path())) << "{}";
  reopen();
  ASSERT_NE(store_, nullptr);
  EXPECT_FALSE(std::filesystem::exists(suspect_mark(path())));
  EXPECT_TRUE(store_->usable(UtcTime::from_unix(0)).has_value());
}

TEST_F(BackgroundCheckTest, GoesOverALedgerThatIsBeingWritten) {
  Finding finding;
  store_->watch({.every = std::chrono::hours(1), .rest = 0}, finding.receiver());
  for (std::uint64_t round = 1; round <= 3; ++round) {
    // Bounded: a writer that is faster than the check would otherwise give it more to do for ever.
    int written = 0;
    while (store_->check_report()->rounds < round) {
      if (written++ >= 50) {
        std::this_thread::yield();
        continue;
      }
      std::vector<Item> items;
      const std::string name = std::to_string(store_->head().size);
      for (int i = 0; i < 100; ++i) items.push_back(signed_item(name + "/" + std::to_string(i), clock_.now()));
      items.push_back(deciding("asked " + name, name, Verdict::RequireApproval));
      items.push_back(redeeming("redeeming " + name, "token " + name));
      ASSERT_TRUE(store_->commit(items).has_value());
    }
    EXPECT_GT(store_->check_again(), round);
  }
  EXPECT_NE(store_->check_report()->state, CheckReport::State::Damaged);
  EXPECT_TRUE(store_->verify().has_value());
}

}  // namespace
}  // namespace countersign::ledger::test
