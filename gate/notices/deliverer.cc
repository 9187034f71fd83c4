#include "gate/notices/deliverer.h"

namespace countersign::notices {
namespace {

using broker::NoticeKind;
using broker::RequestStatus;

bool asks(const Delivery& delivery) {
  return delivery.kind == NoticeKind::Request || delivery.kind == NoticeKind::Reminder;
}

// The notice with its id, and the code that answers it where there is one.
Json whole_of(const Delivery& delivery, const std::optional<std::string>& code) {
  Json whole = Json::object({{"id", delivery.id}});
  for (const auto& [name, value] : delivery.message.as_object()) whole.set(name, value);
  if (code) add_reply(whole, *code);
  return whole;
}

Message message_of(const Json& whole, UtcTime otherwise) {
  Message message;
  message.id = whole.text("id");
  const Result<UtcTime> at = UtcTime::parse(whole.text("timestamp"));
  message.at = at ? *at : otherwise;
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
  while (!sent_.empty()) {
    RETURN_IF_ERROR(outbox_.delivered(sent_.back()));
    sent_.pop_back();
  }
  return Attempt::Delivered;
}

Result<std::vector<Json>> Deliverer::told(std::vector<Delivery>& due) {
  std::vector<Json> messages;
  std::vector<Delivery> needed;
  for (Delivery& delivery : due) {
    std::optional<std::string> code;
    if (asks(delivery)) {
      const Json* data = delivery.message.find("data");
      const auto request = store_.request(data == nullptr ? std::string_view() : data->text("request_id"));
      if (const auto why = outdated(request, clock_.now())) {
        RETURN_IF_ERROR(outbox_.drop(delivery, *why));
        continue;
      }
      ASSIGN_OR_RETURN(code, codes_.code_of(*request));
    }
    messages.push_back(whole_of(delivery, code));
    needed.push_back(std::move(delivery));
  }
  due = std::move(needed);
  return messages;
}

Result<Attempt> Deliverer::attempt(const std::atomic<bool>& interrupted) {
  if (!sent_.empty()) return record();
  std::vector<Delivery> due = outbox_.due(name_, digest_);
  if (due.empty()) return Attempt::None;
  ASSIGN_OR_RETURN(const std::vector<Json> messages, told(due));
  if (messages.empty()) return Attempt::Dropped;
  const UtcTime now = clock_.now();
  const Json whole = messages.size() == 1 ? messages.front() : digest_of(messages, now);
  const Status done = channel_->deliver(message_of(whole, due.front().made_at), now, interrupted);
  if (done) {
    sent_ = std::move(due);
    return record();
  }
  if (interrupted) return Attempt::None;
  for (const Delivery& delivery : due) RETURN_IF_ERROR(outbox_.failed(delivery, done.error().detail));
  return Attempt::Failed;
}

}  // namespace countersign::notices
