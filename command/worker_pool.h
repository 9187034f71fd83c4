// Threads that do what would block the one that answers sockets; each has a signer of its own.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

#include "signer/client/signer_client.h"

namespace countersign::command {

class WorkerPool {
 public:
  using Job = std::function<void(client::SignerClient&)>;

  // `connect` makes a worker's signer.
  WorkerPool(std::size_t threads, std::size_t most_waiting, const std::function<client::SignerClient()>& connect);
  // Finishes what was taken.
  ~WorkerPool();

  // False where `most_waiting` jobs wait already: the job is not taken.
  bool take(Job job);

 private:
  void work(client::SignerClient signer);

  std::size_t most_waiting_;
  std::mutex mutex_;
  std::condition_variable some_;
  std::deque<Job> waiting_;  // guarded by mutex_
  bool ending_ = false;      // guarded by mutex_
  std::vector<std::thread> threads_;
};

}  // namespace countersign::command
