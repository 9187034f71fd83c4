// One thread that commits: many requests share one sync. The front submits what is signed and goes on; when the batch
// is on disk, it gets all outcomes of the batch at once.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "common/result.h"
#include "signer/ledger/store.h"

namespace countersign::ledger {

// The item is shared, so that it stays where the submitter made it while it passes between the threads.
struct Submission {
  Submission() = default;
  Submission(std::uint64_t number, std::shared_ptr<const Item> shared) : ticket(number), item(std::move(shared)) {}
  Submission(std::uint64_t number, Item moved) : Submission(number, std::make_shared<const Item>(std::move(moved))) {}

  std::uint64_t ticket = 0;  // the submitter's own number, handed back with the outcome
  std::shared_ptr<const Item> item;
};

struct Completion {
  std::uint64_t ticket = 0;
  Result<Committed> outcome;
  std::shared_ptr<const Item> item{};  // so that its memory goes back to the thread that reserved it
};

class GroupCommit {
 public:
  struct Options {
    std::size_t batch = 256;                                       // items in one transaction at most
    std::chrono::nanoseconds wait = std::chrono::milliseconds(5);  // since the first waiting item
    std::size_t queue = 4096;                                      // accepted and not yet committed, at most
  };
  // Called on the commit thread once a batch, with the outcomes in the order of submission. It must not call stop().
  using Completed = std::function<void(std::vector<Completion>)>;

  // `store` must outlive the object; nobody else calls its commit().
  GroupCommit(Store& store, Options options, Completed completed);
  ~GroupCommit();  // stop()
  GroupCommit(const GroupCommit&) = delete;
  GroupCommit& operator=(const GroupCommit&) = delete;

  // Accepts all or none. `coming`: how many more the submitter expects soon, where it knows. A batch starts when at
  // least as many items wait as are still coming (at once, if none is), when `options.batch` wait, or `options.wait`
  // after the first of them. So a lone request never waits for company, and of many requests about half are signed
  // while the other half is synced: more in a sync would let the signers idle, fewer would cost more syncs. The commit
  // thread is woken once a batch, not once an item. Fails with OverLimit beyond `options.queue`, with Unavailable after
  // stop().
  Status submit(std::vector<Submission> submissions, std::optional<std::size_t> coming = std::nullopt);
  Status submit(Submission submission, std::optional<std::size_t> coming = std::nullopt);

  // Runs `task` on the commit thread between two batches, in the order of submission: put_keys, told and the like,
  // which would otherwise make the caller wait for the disk. Fails as submit does.
  Status perform(std::function<void(Store&)> task);

  // Commits what was accepted, calls back, ends the thread. Later submissions are refused.
  void stop();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace countersign::ledger
