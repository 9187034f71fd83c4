#include "command/worker_pool.h"

namespace countersign::command {

WorkerPool::WorkerPool(std::size_t threads, std::size_t most_waiting,
                       const std::function<client::SignerClient()>& connect)
    : most_waiting_(most_waiting) {
  for (std::size_t i = 0; i < threads; ++i) {
    threads_.emplace_back([this, connect] { work(connect()); });
  }
}

WorkerPool::~WorkerPool() {
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
  }
  some_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

bool WorkerPool::take(Job job) {
  {
    const std::lock_guard lock(mutex_);
    if (ending_ || waiting_.size() >= most_waiting_) return false;
    waiting_.push_back(std::move(job));
  }
  some_.notify_one();
  return true;
}

void WorkerPool::work(client::SignerClient signer) {
  for (;;) {
    Job job;
    {
      std::unique_lock lock(mutex_);
      some_.wait(lock, [this] { return ending_ || !waiting_.empty(); });
      if (waiting_.empty()) return;
      job = std::move(waiting_.front());
      waiting_.pop_front();
    }
    job(signer);
  }
}

}  // namespace countersign::command
