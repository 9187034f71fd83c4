// Threads that do what would block the one that answers sockets; each has a client of its own.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

#include "signer/client/signer_client.h"

namespace countersign::command {

template <class Client>
class WorkerPoolOf {
 public:
  using Job = std::function<void(Client&)>;

  // `connect` makes a worker's client.
  WorkerPoolOf(std::size_t threads, std::size_t most_waiting, const std::function<Client()>& connect)
      : most_waiting_(most_waiting) {
    for (std::size_t i = 0; i < threads; ++i) {
      threads_.emplace_back([this, connect] { work(connect()); });
    }
  }
  // Finishes what was taken.
  ~WorkerPoolOf() {
    {
      const std::lock_guard lock(mutex_);
      ending_ = true;
    }
    some_.notify_all();
    for (std::thread& thread : threads_) thread.join();
  }

  // False where `most_waiting` jobs wait already: the job is not taken.
  bool take(Job job) {
    {
      const std::lock_guard lock(mutex_);
      if (ending_ || waiting_.size() >= most_waiting_) return false;
      waiting_.push_back(std::move(job));
    }
    some_.notify_one();
    return true;
  }

 private:
  void work(Client client) {
    for (;;) {
      Job job;
      {
        std::unique_lock lock(mutex_);
        some_.wait(lock, [this] { return ending_ || !waiting_.empty(); });
        if (waiting_.empty()) return;
        job = std::move(waiting_.front());
        waiting_.pop_front();
      }
      job(client);
    }
  }

  std::size_t most_waiting_;
  std::mutex mutex_;
  std::condition_variable some_;
  std::deque<Job> waiting_;  // guarded by mutex_
  bool ending_ = false;      // guarded by mutex_
  std::vector<std::thread> threads_;
};

using WorkerPool = WorkerPoolOf<client::SignerClient>;

}  // namespace countersign::command
