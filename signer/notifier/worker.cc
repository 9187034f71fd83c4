#include "signer/notifier/worker.h"

#include <thread>
#include <utility>

namespace countersign::notifier {
namespace {

constexpr std::size_t kMostWaiting = 256;

}  // namespace

Worker::Worker(const config::NotifyConfig& target, std::size_t index, Done done)
    : target_(target), index_(index), done_(std::move(done)) {
  std::thread([this] { work(); }).detach();
}

Status Worker::add(std::uint64_t id, Message message) {
  {
    const std::lock_guard lock(mutex_);
    if (waiting_.size() >= kMostWaiting) {
      return Error{ErrorCode::OverLimit,
                   name_of(target_) + " is behind; " + std::to_string(kMostWaiting) + " events wait"};
    }
    waiting_.push_back({id, std::move(message)});
  }
  wake_.notify_one();
  return ok();
}

void Worker::work() {
  for (;;) {
    std::unique_lock lock(mutex_);
    wake_.wait(lock, [this] { return !waiting_.empty(); });
    const Job job = std::move(waiting_.front());
    waiting_.pop_front();
    lock.unlock();
    done_(job.id, index_, deliver(target_, job.message));
  }
}

}  // namespace countersign::notifier
