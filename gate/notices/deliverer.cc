#include "gate/notices/deliverer.h"

namespace countersign::notices {
namespace {

using broker::NoticeKind;
using broker::RequestStatus;

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

Result<Attempt> Deliverer::record() {
  RETURN_IF_ERROR(outbox_.delivered(*sent_));
  sent_.reset();
  return Attempt::Delivered;
}

Result<Attempt> Deliverer::attempt(const std::atomic<bool>& interrupted) {
  if (sent_) return record();
  std::optional<Delivery> delivery = outbox_.due(name_);
  if (!delivery) return Attempt::None;
  std::optional<std::string> code;
  if (asks(*delivery)) {
    const Json* data = delivery->message.find("data");
    const auto request = store_.request(data == nullptr ? std::string_view() : data->text("request_id"));
    if (const auto why = outdated(request, clock_.now())) {
      RETURN_IF_ERROR(outbox_.drop(*delivery, *why));
      return Attempt::Dropped;
    }
    ASSIGN_OR_RETURN(code, codes_.code_of(*request));
  }
  const Status done = channel_->deliver(message_of(*delivery, code), clock_.now(), interrupted);
  if (done) {
    sent_ = std::move(delivery);
    return record();
  }
  if (interrupted) return Attempt::None;
  RETURN_IF_ERROR(outbox_.failed(*delivery, done.error().detail));
  return Attempt::Failed;
}

}  // namespace countersign::notices
