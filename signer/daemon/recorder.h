// The way to the ledger: items are collected during a turn of the loop, committed by GroupCommit's thread, and their
// outcomes come back to the loop.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "signer/ledger/group_commit.h"
#include "signer/transport/event_loop.h"

namespace countersign::daemon {

class Recorder {
 public:
  using Done = std::function<void(const Result<ledger::Committed>&)>;

  // `coming` tells how many more records are expected soon (GroupCommit::submit). Starts a thread: enter the
  // confinement first.
  Recorder(transport::EventLoop& loop, ledger::Store& store, std::function<std::size_t()> coming);
  ~Recorder();
  Recorder(const Recorder&) = delete;
  Recorder& operator=(const Recorder&) = delete;

  // In order. `done` is called on the loop, also where the item is refused or the store fails. The item must not change
  // until then.
  void record(std::shared_ptr<const ledger::Item> item, Done done);
  void record(ledger::Item item, Done done) {
    record(std::make_shared<const ledger::Item>(std::move(item)), std::move(done));
  }
  // On the commit thread, between two batches. Fails as GroupCommit::perform.
  Status perform(std::function<void(ledger::Store&)> task);
  // Commits what was accepted; the outcomes are delivered before this returns.
  void stop();

  std::size_t unfinished() const { return waiting_.size(); }
  // Called once when the store is poisoned: the process must end.
  std::function<void(const Error&)> on_poisoned;

 private:
  struct Inbox;
  void submit();
  void deliver(std::vector<ledger::Completion> completions);

  transport::EventLoop& loop_;
  std::function<std::size_t()> coming_;
  std::shared_ptr<Inbox> inbox_;  // shared with posted deliveries, which may outlive this
  std::vector<ledger::Submission> collected_;
  std::deque<Done> waiting_;  // of the tickets from first_ticket_ on; null once called
  std::uint64_t first_ticket_ = 1;
  bool submit_queued_ = false;
  std::unique_ptr<ledger::GroupCommit> group_;
};

}  // namespace countersign::daemon
