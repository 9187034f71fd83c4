#include "signer/ledger/group_commit.h"

#include <atomic>
#include <condition_variable>
#include <future>
#include <mutex>
#include <thread>

#include "tests/signer/ledger/ledger_fixture.h"

namespace countersign::ledger::test {
namespace {

using std::chrono::hours;

// Collects completions and lets a test wait for a number of them.
class Collector {
 public:
  GroupCommit::Completed callback() {
    return [this](std::vector<Completion> completions) {
      const std::lock_guard lock(mutex_);
      batches_.push_back(completions.size());
      for (Completion& completion : completions) completions_.push_back(std::move(completion));
      arrived_.notify_all();
    };
  }
  std::vector<Completion> wait_for(std::size_t count) {
    std::unique_lock lock(mutex_);
    arrived_.wait(lock, [&] { return completions_.size() >= count; });
    return completions_;
  }
  std::vector<std::size_t> batches() {
    const std::lock_guard lock(mutex_);
    return batches_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable arrived_;
  std::vector<Completion> completions_;
  std::vector<std::size_t> batches_;
};

class GroupCommitTest : public LedgerTest {
 protected:
  // Keeps the commit thread busy until the promise is set.
  std::promise<void> hold(GroupCommit& group) {
    std::promise<void> release;
    std::promise<void> begun;
    auto begun_future = begun.get_future();
    auto wait = std::make_shared<std::shared_future<void>>(release.get_future());
    EXPECT_TRUE(group.perform([wait, signal = std::make_shared<std::promise<void>>(std::move(begun))](Store&) {
      signal->set_value();
      wait->wait();
    }));
    begun_future.wait();
    return release;
  }
  Collector collector_;
};

TEST_F(GroupCommitTest, CommitsTheFirstItemAfterItsWaitWithoutAnyHint) {
  GroupCommit group(*store_, {}, collector_.callback());
  ASSERT_TRUE(group.submit(Submission{7, signed_item("a")}));
  const auto completions = collector_.wait_for(1);
  EXPECT_EQ(completions.front().ticket, 7U);
  EXPECT_EQ(completions.front().outcome->log_index, 0U);
}

TEST_F(GroupCommitTest, CommitsAtOnceWhenNothingMoreIsComing) {
  GroupCommit group(*store_, {.wait = hours(1)}, collector_.callback());
  for (std::uint64_t i = 0; i < 3; ++i) {
    ASSERT_TRUE(group.submit(Submission{i, signed_item(std::to_string(i))}, 0));
    EXPECT_EQ(collector_.wait_for(i + 1)[i].outcome->log_index, i);
  }
}

TEST_F(GroupCommitTest, CommitsOnceAsManyWaitAsAreStillComing) {
  GroupCommit group(*store_, {.wait = hours(1)}, collector_.callback());
  for (std::uint64_t i = 0; i < 5; ++i) {
    ASSERT_TRUE(group.submit(Submission{i, signed_item(std::to_string(i))}, 9 - i));  // the fifth with five to come
  }
  collector_.wait_for(5);
  EXPECT_EQ(collector_.batches(), (std::vector<std::size_t>{5}));
}

TEST_F(GroupCommitTest, LeavesWhatCameDuringASyncUntilItIsDueToo) {
  GroupCommit group(*store_, {.wait = hours(1)}, collector_.callback());
  std::promise<void> release = hold(group);
  ASSERT_TRUE(group.submit(Submission{0, signed_item("0")}, 5));
  release.set_value();
  std::promise<void> again = hold(group);  // a task takes with it what was submitted before it
  collector_.wait_for(1);
  ASSERT_TRUE(group.submit(Submission{1, signed_item("1")}, 2));
  again.set_value();
  ASSERT_TRUE(group.submit(Submission{2, signed_item("2")}, 1));
  collector_.wait_for(3);
  EXPECT_EQ(collector_.batches(), (std::vector<std::size_t>{1, 2}));
}

TEST_F(GroupCommitTest, CommitsAfterItsWaitWhereWhatWasComingStaysAway) {
  GroupCommit group(*store_, {}, collector_.callback());
  ASSERT_TRUE(group.submit(Submission{0, signed_item("0")}, 100));
  EXPECT_EQ(collector_.wait_for(1).front().outcome->log_index, 0U);
  ASSERT_TRUE(group.submit(Submission{1, signed_item("1")}, 100));
  EXPECT_EQ(collector_.wait_for(2)[1].outcome->log_index, 1U);
}

TEST_F(GroupCommitTest, CommitsAFullBatchAtOnce) {
  GroupCommit group(*store_, {.batch = 4, .wait = hours(1)}, collector_.callback());
  for (std::uint64_t i = 0; i < 4; ++i) ASSERT_TRUE(group.submit(Submission{i, signed_item(std::to_string(i))}));
  const auto completions = collector_.wait_for(4);
  for (std::uint64_t i = 0; i < 4; ++i) {
    EXPECT_EQ(completions[i].ticket, i);
    EXPECT_EQ(completions[i].outcome->log_index, i);
  }
}

TEST_F(GroupCommitTest, HandsOverOneBatchOfCompletionsForAllThatWaited) {
  GroupCommit group(*store_, {.batch = 8, .wait = hours(1)}, collector_.callback());
  std::promise<void> release = hold(group);
  std::vector<Submission> turn;
  for (std::uint64_t i = 0; i < 20; ++i) turn.push_back(Submission{i, signed_item(std::to_string(i))});
  ASSERT_TRUE(group.submit(std::move(turn)));
  release.set_value();
  collector_.wait_for(20);
  EXPECT_EQ(collector_.batches(), (std::vector<std::size_t>{8, 8, 4}));
}

TEST_F(GroupCommitTest, RefusesWhatItsQueueCannotHold) {
  GroupCommit group(*store_, {.wait = hours(1), .queue = 3}, collector_.callback());
  std::promise<void> release = hold(group);
  for (std::uint64_t i = 0; i < 3; ++i) ASSERT_TRUE(group.submit(Submission{i, signed_item(std::to_string(i))}, 2 - i));
  const Error full = group.submit(Submission{3, signed_item("3")}).error();
  EXPECT_EQ(full.code, ErrorCode::OverLimit);
  EXPECT_EQ(full.reason, "ledger_queue_full");
  release.set_value();
  collector_.wait_for(3);
  std::vector<Submission> four(4);
  EXPECT_EQ(group.submit(std::move(four)).error().reason, "ledger_queue_full");  // all or none
  EXPECT_TRUE(group.submit(Submission{4, signed_item("4")}, 0));
  EXPECT_EQ(collector_.wait_for(4)[3].ticket, 4U);
}

TEST_F(GroupCommitTest, CommitsWhatItAcceptedBeforeItStops) {
  {
    GroupCommit group(*store_, {.wait = hours(1)}, collector_.callback());
    for (std::uint64_t i = 0; i < 300; ++i) ASSERT_TRUE(group.submit(Submission{i, signed_item(std::to_string(i))}));
    group.stop();
    EXPECT_EQ(group.submit(Submission{300, signed_item("late")}).error().reason, "stopping");
    group.stop();
  }
  EXPECT_EQ(collector_.wait_for(300).size(), 300U);
  EXPECT_EQ(store_->head().size, 300U);
}

TEST_F(GroupCommitTest, RunsTasksInTheOrderOfSubmission) {
  GroupCommit group(*store_, {.wait = hours(1)}, collector_.callback());
  std::promise<std::uint64_t> seen;
  ASSERT_TRUE(group.submit(Submission{0, signed_item("before")}));
  ASSERT_TRUE(group.perform([&](Store& store) { seen.set_value(store.head().size); }));
  EXPECT_EQ(seen.get_future().get(), 1U);
}

TEST_F(GroupCommitTest, GivesOneOfAThousandConcurrentRedemptionsTheToken) {
  constexpr int kThreads = 8;
  constexpr int kEach = 125;
  GroupCommit group(*store_, {}, collector_.callback());
  std::vector<std::thread> threads;
  std::atomic<int> next = 0;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < kEach; ++i) {
        const int number = next.fetch_add(1);
        const Status submitted =
            group.submit(Submission{static_cast<std::uint64_t>(number), redeeming(std::to_string(number), "t1")},
                         static_cast<std::size_t>(i % 7));
        EXPECT_TRUE(submitted.has_value());
        EXPECT_TRUE(store_->redeemed("t1").has_value());  // reading beside the writer
        (void)store_->head();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  int won = 0;
  for (const Completion& completion : collector_.wait_for(kThreads * kEach)) {
    if (completion.outcome) {
      ++won;
    } else {
      EXPECT_EQ(completion.outcome.error().reason, "approval_token_consumed");
    }
  }
  EXPECT_EQ(won, 1);
  group.stop();
  EXPECT_EQ(store_->head().size, 1U);
  EXPECT_EQ(store_->verify()->redemptions, 1U);
}

}  // namespace
}  // namespace countersign::ledger::test
