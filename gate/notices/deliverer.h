// Delivers what waits for one channel, one attempt after another.
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "gate/notices/channel.h"
#include "gate/notices/outbox.h"
#include "gate/notices/reply_codes.h"

namespace countersign::notices {

enum class Attempt { None, Delivered, Failed, Dropped };

class Deliverer {
 public:
  // All outlive it. From one thread.
  Deliverer(const broker::ChannelConfig& config, std::unique_ptr<Channel> channel, Outbox& outbox, ReplyCodes& codes,
            const broker::BrokerStore& store, const Clock& clock)
      : name_(config.name),
        digest_(config.digest),
        channel_(std::move(channel)),
        outbox_(outbox),
        codes_(codes),
        store_(store),
        clock_(clock) {}
  const std::string& name() const { return name_; }

  // One attempt at what is due now, many in one message where the channel wants that. A request that does not wait any
  // more is dropped instead of asked about. Of an attempt that was interrupted nothing is recorded. Fails as the store
  // does: what was sent then is recorded by the next attempt, and not sent again.
  Result<Attempt> attempt(const std::atomic<bool>& interrupted);

 private:
  Result<Attempt> record();
  // The due ones as they are told; those that nobody needs any more are dropped.
  Result<std::vector<Json>> told(std::vector<Delivery>& due);

  std::string name_;
  std::int64_t digest_;
  std::unique_ptr<Channel> channel_;
  Outbox& outbox_;
  ReplyCodes& codes_;
  const broker::BrokerStore& store_;
  const Clock& clock_;
  std::vector<Delivery> sent_;  // and not recorded yet
};

}  // namespace countersign::notices
