#include "signer/daemon/recorder.h"

#include <mutex>
#include <utility>

namespace countersign::daemon {

// Outcomes on their way from the commit thread to the loop.
struct Recorder::Inbox {
  std::mutex mutex;
  std::vector<ledger::Completion> arrived;  // guarded by mutex
  Recorder* recorder = nullptr;             // the loop's; null once it is gone

  void deliver() {
    std::vector<ledger::Completion> completions;
    {
      const std::lock_guard lock(mutex);
      completions.swap(arrived);
    }
    if (recorder != nullptr) recorder->deliver(std::move(completions));
  }
};

Recorder::Recorder(transport::EventLoop& loop, ledger::Store& store, std::function<std::size_t()> coming)
    : loop_(loop), coming_(std::move(coming)), inbox_(std::make_shared<Inbox>()) {
  inbox_->recorder = this;
  group_ = std::make_unique<ledger::GroupCommit>(store, ledger::GroupCommit::Options(),
                                                 [&loop, inbox = inbox_](std::vector<ledger::Completion> completions) {
                                                   bool first = false;
                                                   {
                                                     const std::lock_guard lock(inbox->mutex);
                                                     first = inbox->arrived.empty();
                                                     for (ledger::Completion& each : completions)
                                                       inbox->arrived.push_back(std::move(each));
                                                   }
                                                   if (first) loop.post([inbox] { inbox->deliver(); });
                                                 });
}

Recorder::~Recorder() {
  inbox_->recorder = nullptr;
}

void Recorder::record(std::shared_ptr<const ledger::Item> item, Done done) {
  collected_.emplace_back(first_ticket_ + waiting_.size(), std::move(item));
  waiting_.push_back(std::move(done));
  if (submit_queued_) return;
  submit_queued_ = true;
  loop_.after_this_turn([this, inbox = inbox_] {
    if (inbox->recorder != nullptr) submit();
  });
}

void Recorder::submit() {
  submit_queued_ = false;
  std::vector<ledger::Submission> submissions;
  submissions.swap(collected_);
  if (submissions.empty()) return;
  std::vector<std::uint64_t> tickets;
  tickets.reserve(submissions.size());
  for (const ledger::Submission& each : submissions) tickets.push_back(each.ticket);
  const Status accepted = group_->submit(std::move(submissions), coming_());
  if (accepted) return;
  std::vector<ledger::Completion> refused;
  for (const std::uint64_t ticket : tickets) refused.push_back({ticket, accepted.error()});
  deliver(std::move(refused));
}

void Recorder::deliver(std::vector<ledger::Completion> completions) {
  bool poisoned = false;
  for (ledger::Completion& completion : completions) {
    if (completion.ticket < first_ticket_ || completion.ticket - first_ticket_ >= waiting_.size()) continue;
    const Done done = std::exchange(waiting_[completion.ticket - first_ticket_], nullptr);
    if (!done) continue;
    for (; !waiting_.empty() && !waiting_.front(); ++first_ticket_) waiting_.pop_front();
    if (!completion.outcome && completion.outcome.error().reason == "ledger_poisoned") poisoned = true;
    done(completion.outcome);
  }
  if (poisoned && on_poisoned) {
    on_poisoned(Error{ErrorCode::Unavailable, "a write to the ledger failed, so what reached the disk is unknown",
                      "ledger_poisoned", "The front starts again from what is on the disk; look at the disk."});
  }
}

Status Recorder::perform(std::function<void(ledger::Store&)> task) {
  submit();  // what was recorded before stands before what the task writes
  return group_->perform(std::move(task));
}

void Recorder::stop() {
  submit();
  group_->stop();
  inbox_->deliver();
}

}  // namespace countersign::daemon
