// One thread that commits: many requests share one sync. The front submits what is signed and goes on; when the batch
// is on disk, it gets all outcomes of the batch at once.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "common/result.h"
#include "signer/ledger/store.h"

namespace countersign::ledger {

struct Submission {
  std::uint64_t ticket = 0;  // the submitter's own number, handed back with the outcome
  Item item;
};

struct Completion {
  std::uint64_t ticket = 0;
  Result<Committed> outcome;
  // In the first of a batch: its items, so that their memory goes back to the thread that reserved it.
  std::shared_ptr<const std::vector<Item>> items{};
};

class GroupCommit {
 public:
  struct Options {
    std::size_t batch = 256;                                       // items in one transaction at most
    std::chrono::nanoseconds wait = std::chrono::milliseconds(1);  // since the first waiting item
    std::size_t queue = 4096;                                      // accepted and not yet committed, at most
  };
  // Called on the commit thread once a batch, with the outcomes in the order of submission. It must not call stop().
  using Completed = std::function<void(std::vector<Completion>)>;

  // `store` must outlive the object; nobody else calls its commit().
  GroupCommit(Store& store, Options options, Completed completed);
  ~GroupCommit();  // stop()
  GroupCommit(const GroupCommit&) = delete;
  GroupCommit& operator=(const GroupCommit&) = delete;

  // Accepts all or none. A batch starts when `options.batch` items wait, `options.wait` after the first of them, or at
  // once with `idle` (see hint_idle). The commit thread is woken once a batch, not once an item. Fails with OverLimit
  // beyond `options.queue`, with Unavailable after stop().
  Status submit(std::vector<Submission> submissions, bool idle = false);
  Status submit(Submission submission, bool idle = false);

  // "Nothing more is coming soon": what waits is committed at once.
  void hint_idle();

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
