// Delivers what waits in the outbox: a thread for each channel, so that a slow receiver delays neither a call nor
// another channel.
#pragma once

#include <atomic>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "gate/notices/deliverer.h"

namespace countersign::notices {

class Notifier {
 public:
  using Tell = std::function<void(const std::string&)>;

  // Opens every channel and starts. All outlive it. `tell` hears, from any thread, when a channel begins to fail and
  // when it works again. Fails as open_channel does.
  static Result<std::unique_ptr<Notifier>> start(const broker::NotifyConfig& config, broker::BrokerStore& store,
                                                 Outbox& outbox, ReplyCodes& codes, const Clock& clock, Tell tell);
  // Ends attempts that are under way; what is left is delivered by the next one.
  ~Notifier();
  Notifier(const Notifier&) = delete;
  Notifier& operator=(const Notifier&) = delete;

 private:
  Notifier(broker::BrokerStore& store, Outbox& outbox, Tell tell)
      : store_(store), outbox_(outbox), tell_(std::move(tell)) {}
  void gather();
  void deliver(Deliverer& channel);
  // Until something new may be there, a while at most: pauses and reminders end by the clock.
  void wait(std::uint64_t& seen);

  broker::BrokerStore& store_;
  Outbox& outbox_;
  Tell tell_;
  std::vector<std::unique_ptr<Deliverer>> channels_;
  std::atomic<bool> ending_ = false;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::uint64_t recorded_ = 0;  // guarded by mutex_: events so far that may be notices
  std::uint64_t gathered_ = 0;  // guarded by mutex_: times that gather() added something
  std::vector<std::thread> threads_;
};

}  // namespace countersign::notices
