// Writes and syncs that fail, each in turn: nothing acknowledged is lost, nothing unacknowledged is believed, and the
// store says when it cannot know.
#include <sys/mount.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>

#include "tests/signer/ledger/ledger_fixture.h"

namespace {

// Which call fails, counted over all calls of the kinds below; negative: none.
std::atomic<int> calls_until_failure = -1;
std::atomic<bool> keeps_failing = false;
std::atomic<bool> only_syncs = false;
std::atomic<int> failure_errno = 0;

enum class Call { Write, Sync };

bool fails_now(Call call) {
  if (calls_until_failure < 0 || (only_syncs && call != Call::Sync)) return false;
  if (calls_until_failure > 0) {
    --calls_until_failure;
    return false;
  }
  if (!keeps_failing) calls_until_failure = -1;
  errno = failure_errno;
  return true;
}

}  // namespace

// SQLite's calls land here: a program's own definition comes before the C library's.
extern "C" {
ssize_t pwrite64(int file, const void* data, size_t size, off64_t offset) {
  return fails_now(Call::Write) ? -1 : syscall(SYS_pwrite64, file, data, size, offset);
}
ssize_t pwrite(int file, const void* data, size_t size, off_t offset) {
  return fails_now(Call::Write) ? -1 : syscall(SYS_pwrite64, file, data, size, offset);
}
int fdatasync(int file) {
  return fails_now(Call::Sync) ? -1 : static_cast<int>(syscall(SYS_fdatasync, file));
}
int fsync(int file) {
  return fails_now(Call::Sync) ? -1 : static_cast<int>(syscall(SYS_fsync, file));
}
}

namespace countersign::ledger::test {
namespace {

struct Failure {
  const char* name;
  int number;
  bool lasting;
};
constexpr Failure kFailures[] = {
    {"disk full, once", ENOSPC, false},
    {"disk full, lasting", ENOSPC, true},
    {"I/O error, once", EIO, false},
    {"I/O error, lasting", EIO, true},
};

class FailingDiskTest : public LedgerTest {
 protected:
  void TearDown() override { mend(); }
  static void arm(const Failure& failure, int after) {
    failure_errno = failure.number;
    keeps_failing = failure.lasting;
    calls_until_failure = after;
  }
  static bool armed() { return calls_until_failure >= 0; }
  static void mend() {
    calls_until_failure = -1;
    only_syncs = false;
  }
};

TEST_F(FailingDiskTest, LosesNothingWhicheverCallFails) {
  for (const Failure& failure : kFailures) {
    bool struck = true;
    for (int call = 0; struck; ++call) {
      ASSERT_LT(call, 200) << failure.name;
      const TreeHead before = store_->head();
      const std::string name = std::string(failure.name) + std::to_string(call);
      arm(failure, call);
      const std::string said = outcomes({redeeming(name, name), signed_item(name)}).front();
      struck = failure.lasting ? calls_until_failure == 0 : !armed();
      mend();
      if (said == std::to_string(before.size)) {
        EXPECT_EQ(store_->head().size, before.size + 2) << name;
      } else if (said == "ledger_full") {
        // Nothing happened, and the store goes on at once.
        EXPECT_EQ(failure.number, ENOSPC);
        EXPECT_FALSE(store_->poisoned());
        EXPECT_EQ(store_->head().root, before.root) << name;
        EXPECT_FALSE(*store_->redeemed(name)) << name;
        EXPECT_EQ(outcome(redeeming(name, name)), std::to_string(before.size)) << name;
      } else {
        EXPECT_EQ(said, "ledger_poisoned") << name;
        EXPECT_TRUE(store_->poisoned());
        EXPECT_EQ(outcome(signed_item("after")), "ledger_poisoned") << name;
        EXPECT_EQ(store_->put_keys({}, clock_.now()).has_value(), true);
        reopen();
        ASSERT_NE(store_, nullptr) << name;
        // All of it or nothing.
        const bool happened = *store_->redeemed(name);
        EXPECT_EQ(store_->head().size, before.size + (happened ? 2 : 0)) << name;
      }
      const auto verification = store_->verify();
      ASSERT_TRUE(verification.has_value()) << name << ": " << verification.error().detail;
    }
  }
}

TEST_F(FailingDiskTest, PoisonsItselfWhenASyncFails) {
  only_syncs = true;
  arm({"sync", EIO, true}, 0);
  EXPECT_EQ(outcome(signed_item("a")), "ledger_poisoned");
  mend();
  EXPECT_TRUE(store_->poisoned());
  EXPECT_EQ(outcome(signed_item("b")), "ledger_poisoned");
  reopen();
  const std::string next = std::to_string(store_->head().size);  // the first may have reached the disk all the same
  EXPECT_EQ(outcome(signed_item("c")), next);
}

TEST_F(FailingDiskTest, RefusesToOpenWhatItCannotWrite) {
  store_.reset();
  arm({"disk full", ENOSPC, true}, 0);
  const auto full = SqliteStore::open(path(), clock_, options_);
  mend();
  ASSERT_FALSE(full.has_value());
  EXPECT_EQ(full.error().code, ErrorCode::Unavailable);
  store_ = made(SqliteStore::open(path(), clock_, options_));
}

TEST_F(FailingDiskTest, MakesNoLedgerThatMayNotLast) {
  const std::string other = folder_ / "other.db";
  only_syncs = true;
  arm({"sync", EIO, true}, 0);
  const auto unsynced = SqliteStore::create(other, clock_, options_);
  mend();
  ASSERT_FALSE(unsynced.has_value());
  EXPECT_EQ(unsynced.error().reason, "ledger_failed");
  EXPECT_FALSE(std::filesystem::exists(other));
  const auto nowhere = SqliteStore::create(folder_ / "absent/ledger.db", clock_, options_);
  ASSERT_FALSE(nowhere.has_value());
  EXPECT_EQ(nowhere.error().reason, "ledger_failed");
  EXPECT_TRUE(SqliteStore::create(other, clock_, options_).has_value());
}

// A file system that is really full, not one that says so.
TEST_F(FailingDiskTest, GoesOnWhenAFullDiskHasSpaceAgain) {
  const std::string small = folder_ / "small";
  std::filesystem::create_directory(small);
  if (mount("tmpfs", small.c_str(), "tmpfs", 0, "size=3m") != 0) {
    GTEST_SKIP() << "not run: mounting is not allowed here";
  }
  const auto unmount = [&small](void*) { umount2(small.c_str(), MNT_DETACH); };
  const std::unique_ptr<void, decltype(unmount)> mounted(&clock_, unmount);
  { std::ofstream(small + "/ballast") << std::string(2'000'000, 'x'); }
  const std::string file = small + "/ledger.db";
  store_ = made(SqliteStore::create(file, clock_, options_));
  Item large = signed_item("large");
  large.record.body = std::string(20'000, ' ');
  std::string said = "0";
  std::uint64_t committed = 0;
  while (said == std::to_string(committed)) {
    ++committed;
    said = outcome(large);
    ASSERT_LT(committed, 1000U);
    if (said == std::to_string(committed - 1)) said = std::to_string(committed);
  }
  EXPECT_EQ(said, "ledger_full");
  --committed;
  EXPECT_EQ(store_->head().size, committed);
  EXPECT_EQ(outcome(large), "ledger_full");
  std::filesystem::remove(small + "/ballast");
  EXPECT_EQ(outcome(large), std::to_string(committed));
  const auto verification = store_->verify();
  ASSERT_TRUE(verification.has_value()) << verification.error().detail;
  EXPECT_EQ(verification->head.size, committed + 1);
  store_.reset();
  store_ = made(SqliteStore::open(file, clock_, options_));
  EXPECT_EQ(store_->head().size, committed + 1);
  store_.reset();
}

}  // namespace
}  // namespace countersign::ledger::test
