#include "signer/daemon/outbox_pump.h"

#include <algorithm>

#include "signer/config/events.h"

namespace countersign::daemon {
namespace {

constexpr std::size_t kAtOnce = 16;

// The event as its receivers see it; the same row gives the same bytes, so that the notifier knows a repetition.
std::string event_json(const ledger::OutboxRow& row) {
  const Result<Json> body = Json::parse(row.event.body);
  Json event =
      Json::object({{"event", row.event.event}, {"id", row.id}, {"at", row.event.at.rfc3339()}, {"count", row.count}});
  if (body && body->is_object()) event.set("details", *body);
  return event.compact();
}

}  // namespace

void OutboxPump::connect(int descriptor) {
  lost();
  reader_ = channel::FrameReader();
  stream_ = std::make_unique<transport::Stream>(
      loop_, descriptor, [this](std::string_view bytes) { received(bytes); }, [this] { lost(); });
  pump();
}

void OutboxPump::lost() {
  sent_.clear();
  dropped_ = std::move(stream_);  // we may be inside one of its callbacks
}

void OutboxPump::pump() {
  if (!stream_ || !sent_.empty()) return;
  const Result<std::vector<ledger::OutboxRow>> due = store_.outbox(kAtOnce);
  if (!due) return;
  for (const ledger::OutboxRow& row : *due) {
    sent_.push_back({next_frame_, row.id});
    channel::append_frame(stream_->outgoing(), channel::FrameKind::Notify, next_frame_++, event_json(row));
  }
  if (!due->empty()) stream_->flush_soon();
}

void OutboxPump::received(std::string_view bytes) {
  reader_.feed(bytes);
  for (;;) {
    const Result<std::optional<channel::Frame>> frame = reader_.next();
    if (!frame) return lost();
    if (!frame->has_value()) return;
    const auto found =
        std::find_if(sent_.begin(), sent_.end(), [&](const Sent& each) { return each.frame == (*frame)->id; });
    if (found == sent_.end() || (*frame)->kind != channel::FrameKind::Notified) return lost();
    const Result<Json> answer = Json::parse((*frame)->payload);
    const Json* told = answer ? answer->find("ok") : nullptr;
    const bool success = told != nullptr && told->is_bool() && told->as_bool();
    const std::uint64_t row = found->outbox;
    sent_.erase(found);
    // Not kept means told again: at least once is what was promised.
    [[maybe_unused]] const Status kept = recorder_.perform([row, success, now = clock_.now()](ledger::Store& store) {
      [[maybe_unused]] const Status written = store.told(row, success, now);
    });
  }
}

}  // namespace countersign::daemon
