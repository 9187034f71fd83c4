#include "gate/notices/notifier.h"

#include <chrono>

namespace countersign::notices {
namespace {

constexpr std::chrono::seconds kLook(1);

}  // namespace

Result<std::unique_ptr<Notifier>> Notifier::start(const broker::NotifyConfig& config, broker::BrokerStore& store,
                                                  Outbox& outbox, ReplyCodes& codes, const Clock& clock, Tell tell) {
  std::unique_ptr<Notifier> notifier(new Notifier(store, outbox, std::move(tell)));
  for (const broker::ChannelConfig& each : config.channels) {
    Result<std::unique_ptr<Channel>> channel = open_channel(each);
    if (!channel) {
      Error error = std::move(channel).error();
      error.detail = "notify channel " + each.name + ": " + error.detail;
      return error;
    }
    notifier->channels_.push_back(std::make_unique<Deliverer>(each, *std::move(channel), outbox, codes, store, clock));
  }
  if (notifier->channels_.empty()) return notifier;
  store.when_recorded([self = notifier.get()](std::string_view event) {
    if (!is_notable(event)) return;
    const std::lock_guard lock(self->mutex_);
    ++self->recorded_;
    self->wake_.notify_all();
  });
  notifier->threads_.emplace_back([self = notifier.get()] { self->gather(); });
  for (const auto& channel : notifier->channels_) {
    notifier->threads_.emplace_back([self = notifier.get(), &channel] { self->deliver(*channel); });
  }
  return notifier;
}

Notifier::~Notifier() {
  store_.when_recorded({});
  ending_ = true;
  {
    const std::lock_guard lock(mutex_);
    wake_.notify_all();
  }
  for (std::thread& thread : threads_) thread.join();
}

void Notifier::wait(std::uint64_t& seen) {
  std::unique_lock lock(mutex_);
  wake_.wait_for(lock, kLook, [&] { return ending_ || seen != recorded_ + gathered_; });
  seen = recorded_ + gathered_;
}

void Notifier::gather() {
  std::uint64_t seen = 0;
  while (!ending_) {
    const Result<std::size_t> added = outbox_.gather();
    if (added && *added > 0) {
      const std::lock_guard lock(mutex_);
      ++gathered_;
      wake_.notify_all();
    }
    wait(seen);
  }
}

void Notifier::deliver(Deliverer& channel) {
  std::uint64_t seen = 0;
  bool failing = false;
  while (!ending_) {
    const Result<Attempt> attempt = channel.attempt(ending_);
    const bool failed = !attempt || *attempt == Attempt::Failed;
    if (failed && !failing) {
      tell_("notify channel " + channel.name() + " fails" + (attempt ? "" : ": " + attempt.error().detail) +
            "; it is tried again (countersign broker deliveries)");
    }
    if (attempt && *attempt == Attempt::Delivered && failing)
      tell_("notify channel " + channel.name() + " works again");
    if (!attempt || *attempt != Attempt::None) failing = failed || (failing && *attempt == Attempt::Dropped);
    if (!attempt || *attempt == Attempt::None) wait(seen);
  }
}

}  // namespace countersign::notices
