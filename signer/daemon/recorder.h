// The way to the ledger: items are collected during a turn of the loop, committed by GroupCommit's thread, and their
// outcomes come back to the loop.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <unordered_map>
#include <vector>

#include "signer/ledger/group_commit.h"
#include "signer/transport/event_loop.h"

namespace countersign::daemon {

class Recorder {
 public:
  using Done = std::function<void(const Result<ledger::Committed>&)>;

  // `quiet` tells whether nothing more is coming soon, so that a batch need not wait for company. Starts a thread:
  // enter the confinement first.
  Recorder(transport::EventLoop& loop, ledger::Store& store, std::function<bool()> quiet);
  ~Recorder();
  Recorder(const Recorder&) = delete;
  Recorder& operator=(const Recorder&) = delete;

  // In order. `done` is called on the loop, also where the item is refused or the store fails.
  void record(ledger::Item item, Done done);
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
  std::function<bool()> quiet_;
  std::shared_ptr<Inbox> inbox_;  // shared with posted deliveries, which may outlive this
  std::vector<ledger::Submission> collected_;
  std::unordered_map<std::uint64_t, Done> waiting_;
  std::uint64_t next_ticket_ = 1;
  bool submit_queued_ = false;
  std::unique_ptr<ledger::GroupCommit> group_;
};

}  // namespace countersign::daemon
