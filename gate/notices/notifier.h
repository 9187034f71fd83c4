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

#include "gate/notices/channel.h"
#include "gate/notices/outbox.h"
#include "gate/notices/reply_codes.h"

namespace countersign::notices {

enum class Attempt { None, Delivered, Failed, Dropped };

// One attempt at what is due on the channel now. A request that does not wait any more is dropped instead of asked
// about. Of an attempt that was interrupted nothing is recorded. Fails as the store does: then it may come twice.
Result<Attempt> attempt_next(Outbox& outbox, ReplyCodes& codes, const broker::BrokerStore& store,
                             const std::string& name, const Channel& channel, const Clock& clock,
                             const std::atomic<bool>& interrupted);

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
  struct Opened {
    std::string name;
    std::unique_ptr<Channel> channel;
  };
  Notifier(broker::BrokerStore& store, Outbox& outbox, ReplyCodes& codes, const Clock& clock, Tell tell)
      : store_(store), outbox_(outbox), codes_(codes), clock_(clock), tell_(std::move(tell)) {}
  void gather();
  void deliver(const Opened& opened);
  // Until something new may be there, a while at most: pauses and reminders end by the clock.
  void wait(std::uint64_t& seen);

  broker::BrokerStore& store_;
  Outbox& outbox_;
  ReplyCodes& codes_;
  const Clock& clock_;
  Tell tell_;
  std::vector<Opened> channels_;
  std::atomic<bool> ending_ = false;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::uint64_t recorded_ = 0;  // guarded by mutex_: events so far that may be notices
  std::uint64_t gathered_ = 0;  // guarded by mutex_: times that gather() added something
  std::vector<std::thread> threads_;
};

}  // namespace countersign::notices
