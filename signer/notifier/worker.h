// One thread for one target: what waits for it, and what became of it.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>

#include "signer/notifier/target.h"

namespace countersign::notifier {

class Worker {
 public:
  using Done = std::function<void(std::uint64_t id, std::size_t target, Status status)>;

  // `done` is called on the worker's thread. The thread ends with the process; a Worker is never destroyed before.
  Worker(const config::NotifyConfig& target, std::size_t index, Done done);
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;
  ~Worker() = delete;

  // Fails with OverLimit when too much waits already: a target that hangs is told so, not remembered for ever.
  Status add(std::uint64_t id, Message message);

 private:
  struct Job {
    std::uint64_t id;
    Message message;
  };
  void work();

  const config::NotifyConfig target_;
  const std::size_t index_;
  const Done done_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<Job> waiting_;  // guarded by mutex_
};

}  // namespace countersign::notifier
