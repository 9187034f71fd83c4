#include "gate/notices/notifier.h"

#include <chrono>

namespace countersign::notices {
namespace {

using broker::NoticeKind;
using broker::RequestStatus;

constexpr std::chrono::seconds kLook(1);

bool asks(const Delivery& delivery) {
  return delivery.kind == NoticeKind::Request || delivery.kind == NoticeKind::Reminder;
}

Message message_of(const Delivery& delivery, const std::optional<std::string>& code) {
  Message message;
  message.id = delivery.id;
  message.at = UtcTime::parse(delivery.message.text("timestamp")) ? *UtcTime::parse(delivery.message.text("timestamp"))
                                                                  : delivery.made_at;
  Json whole = Json::object({{"id", delivery.id}});
  for (const auto& [name, value] : delivery.message.as_object()) whole.set(name, value);
  if (code) add_reply(whole, *code);
  message.json = whole.compact();
  if (const Json* data = whole.find("data")) {
    message.summary = data->text("summary");
    message.text = data->text("text");
  }
  return message;
}

// Why nobody needs to be asked any more; nothing where they do.
std::optional<std::string> outdated(const Result<broker::ToolRequest>& request, UtcTime now) {
  if (!request) return "there is no such request";
  if (request->status != RequestStatus::Pending) return "it is " + std::string(broker::name_of(request->status));
  if (now >= request->expires_at) return "its time is over";
  return std::nullopt;
}

}  // namespace

Result<Attempt> attempt_next(Outbox& outbox, ReplyCodes& codes, const broker::BrokerStore& store,
                             const std::string& name, const Channel& channel, const Clock& clock,
                             const std::atomic<bool>& interrupted) {
  const std::optional<Delivery> delivery = outbox.due(name);
  if (!delivery) return Attempt::None;
  std::optional<std::string> code;
  if (asks(*delivery)) {
    const Json* data = delivery->message.find("data");
    const auto request = store.request(data == nullptr ? std::string_view() : data->text("request_id"));
    if (const auto why = outdated(request, clock.now())) {
      RETURN_IF_ERROR(outbox.drop(*delivery, *why));
      return Attempt::Dropped;
    }
    ASSIGN_OR_RETURN(code, codes.code_of(*request));
  }
  const Status sent = channel.deliver(message_of(*delivery, code), clock.now(), interrupted);
  if (sent) {
    RETURN_IF_ERROR(outbox.delivered(*delivery));
    return Attempt::Delivered;
  }
  if (interrupted) return Attempt::None;
  RETURN_IF_ERROR(outbox.failed(*delivery, sent.error().detail));
  return Attempt::Failed;
}

Result<std::unique_ptr<Notifier>> Notifier::start(const broker::NotifyConfig& config, broker::BrokerStore& store,
                                                  Outbox& outbox, ReplyCodes& codes, const Clock& clock, Tell tell) {
  std::unique_ptr<Notifier> notifier(new Notifier(store, outbox, codes, clock, std::move(tell)));
  for (const broker::ChannelConfig& each : config.channels) {
    Result<std::unique_ptr<Channel>> channel = open_channel(each);
    if (!channel) {
      Error error = std::move(channel).error();
      error.detail = "notify channel " + each.name + ": " + error.detail;
      return error;
    }
    notifier->channels_.push_back({each.name, *std::move(channel)});
  }
  if (notifier->channels_.empty()) return notifier;
  store.when_recorded([self = notifier.get()](std::string_view event) {
    if (!is_notable(event)) return;
    const std::lock_guard lock(self->mutex_);
    ++self->recorded_;
    self->wake_.notify_all();
  });
  notifier->threads_.emplace_back([self = notifier.get()] { self->gather(); });
  for (const Opened& opened : notifier->channels_) {
    notifier->threads_.emplace_back([self = notifier.get(), &opened] { self->deliver(opened); });
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

void Notifier::deliver(const Opened& opened) {
  std::uint64_t seen = 0;
  bool failing = false;
  while (!ending_) {
    const Result<Attempt> attempt =
        attempt_next(outbox_, codes_, store_, opened.name, *opened.channel, clock_, ending_);
    const bool failed = !attempt || *attempt == Attempt::Failed;
    if (failed && !failing) {
      tell_("notify channel " + opened.name + " fails" + (attempt ? "" : ": " + attempt.error().detail) +
            "; it is tried again (countersign broker deliveries)");
    }
    if (attempt && *attempt == Attempt::Delivered && failing) tell_("notify channel " + opened.name + " works again");
    if (!attempt || *attempt != Attempt::None) failing = failed || (failing && *attempt == Attempt::Dropped);
    if (!attempt || *attempt == Attempt::None) wait(seen);
  }
}

}  // namespace countersign::notices
