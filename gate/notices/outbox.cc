#include "gate/notices/outbox.h"

#include <algorithm>
#include <iterator>

#include "common/sqlite/connection.h"

namespace countersign::notices {
namespace {

using broker::NoticeKind;
using broker::RequestStatus;
using broker::ToolRequest;
using sqlite::Connection;
using sqlite::Query;

constexpr std::string_view kWaiting = "waiting";
constexpr std::string_view kDelivered = "delivered";
constexpr std::string_view kGivenUp = "given_up";
constexpr std::string_view kDropped = "dropped";
constexpr std::size_t kAtOnce = 1000;
constexpr std::size_t kLongestError = 300;
constexpr std::int64_t kMostInDigest = 8;     // with their lines they fit into a chat's message
constexpr std::chrono::hours kKept(24 * 30);  // what has ended

// One row for a notice on a channel, whatever happens between.
constexpr const char* kTables = R"(
CREATE TABLE IF NOT EXISTS deliveries(
  id TEXT PRIMARY KEY,
  channel TEXT NOT NULL,
  key TEXT NOT NULL,
  kind TEXT NOT NULL,
  message TEXT NOT NULL,
  status TEXT NOT NULL,
  attempts INTEGER NOT NULL,
  made INTEGER NOT NULL,
  next INTEGER NOT NULL,
  ended INTEGER,
  error TEXT NOT NULL,
  UNIQUE (channel, key)
) STRICT;
CREATE INDEX IF NOT EXISTS deliveries_due ON deliveries(channel, next) WHERE status = 'waiting';
CREATE TABLE IF NOT EXISTS outbox(only_row INTEGER PRIMARY KEY CHECK (only_row = 0), next_record INTEGER NOT NULL) STRICT;
)";

// After the first, the second, … attempt; then the last one again and again.
constexpr std::chrono::seconds kPauses[] = {std::chrono::seconds(5),  std::chrono::seconds(30), std::chrono::minutes(2),
                                            std::chrono::minutes(10), std::chrono::minutes(30), std::chrono::hours(1)};

std::chrono::seconds pause_after(std::int64_t attempts) {
  const auto last = static_cast<std::int64_t>(std::size(kPauses)) - 1;
  return kPauses[std::clamp<std::int64_t>(attempts - 1, 0, last)];
}

// The same for the same notice on the same channel, also where it is made a second time.
std::string message_id(std::string_view channel, std::string_view key) {
  constexpr std::size_t kDigits = 32;
  return "msg_" +
         sha256("countersign-notice\n" + std::string(channel) + "\n" + std::string(key)).hex().substr(0, kDigits);
}

Delivery delivery_of(Query& row) {
  Delivery delivery;
  delivery.id = row.text(0);
  delivery.channel = row.text(1);
  delivery.kind = broker::notice_kind_named(row.text(2)).value_or(NoticeKind::Request);
  if (Result<Json> message = Json::parse(row.text(3))) delivery.message = *std::move(message);
  delivery.attempts = row.integer(4);
  delivery.made_at = row.time(5);
  return delivery;
}

}  // namespace

Result<std::unique_ptr<Outbox>> Outbox::open(broker::BrokerStore& store, const broker::NotifyConfig& config,
                                             const Clock& clock) {
  std::unique_ptr<Outbox> outbox(new Outbox(store, config, clock));
  RETURN_IF_ERROR(outbox->prepare());
  return outbox;
}

Status Outbox::prepare() {
  const std::uint64_t records = store_.size();
  RETURN_IF_ERROR(store_.change([&](Connection& connection) -> Status {
    RETURN_IF_ERROR(connection.execute(kTables));
    Query first(connection, "INSERT OR IGNORE INTO outbox(only_row, next_record) VALUES (0, ?)", records);
    RETURN_IF_ERROR(first.run());
    if (!config_.channels.empty()) return ok();
    // Whoever is told later is told of what happens then.
    Query skip(connection, "UPDATE outbox SET next_record = ?", records);
    return skip.run();
  }));
  reminds_ = std::ranges::any_of(config_.channels,
                                 [](const auto& channel) { return channel.kinds.contains(NoticeKind::Reminder); });
  if (reminds_) {
    for (const ToolRequest& request : store_.requests(RequestStatus::Pending)) {
      to_remind_.emplace(request.requested_at + config_.remind_after, request.id);
    }
  }
  std::vector<Delivery> orphans;
  store_.read([&](Connection& connection) {
    Query next(connection, "SELECT next_record FROM outbox");
    if (next.next()) next_record_ = next.number(0);
    Query row(connection, "SELECT id, channel, kind, message, attempts, made FROM deliveries WHERE status = 'waiting'");
    while (row.next()) {
      Delivery delivery = delivery_of(row);
      const bool known =
          std::ranges::any_of(config_.channels, [&](const auto& channel) { return channel.name == delivery.channel; });
      if (!known) orphans.push_back(std::move(delivery));
    }
  });
  for (const Delivery& orphan : orphans) RETURN_IF_ERROR(drop(orphan, "there is no such channel any more"));
  return ok();
}

Status Outbox::add(const std::vector<Notice>& notices, std::size_t& added) {
  const UtcTime now = clock_.now();
  const UtcTime old = now - kKept;
  return store_.change([&](Connection& connection) -> Status {
    for (const Notice& notice : notices) {
      const std::string message = notice.message.compact();
      for (const broker::ChannelConfig& channel : config_.channels) {
        if (!channel.kinds.contains(notice.kind)) continue;
        const std::string id = message_id(channel.name, notice.key);
        Query insert(connection,
                     "INSERT OR IGNORE INTO deliveries(id, channel, key, kind, message, status, attempts, made, next, "
                     "error) VALUES (?, ?, ?, ?, ?, 'waiting', 0, ?, ?, '')",
                     id, channel.name, notice.key, broker::name_of(notice.kind), message, now, now);
        RETURN_IF_ERROR(insert.run());
        added += static_cast<std::size_t>(connection.changes());
      }
    }
    Query forget(connection, "DELETE FROM deliveries WHERE status <> 'waiting' AND made < ?", old);
    RETURN_IF_ERROR(forget.run());
    Query mark(connection, "UPDATE outbox SET next_record = ?", next_record_);
    return mark.run();
  });
}

void Outbox::expect_reminder(const Json& message) {
  const Json* data = message.find("data");
  const Result<UtcTime> at = UtcTime::parse(data->text("requested_at"));
  if (at) to_remind_.emplace(*at + config_.remind_after, data->text("request_id"));
}

Status Outbox::remind(std::size_t& added) {
  const UtcTime now = clock_.now();
  const auto end = to_remind_.upper_bound(now);
  std::vector<Notice> notices;
  for (auto due = to_remind_.begin(); due != end; ++due) {
    const Result<ToolRequest> request = store_.request(due->second);
    if (request && request->status == RequestStatus::Pending && now < request->expires_at) {
      notices.push_back(reminder_of(*request, now, config_.socket));
    }
  }
  if (!notices.empty()) RETURN_IF_ERROR(add(notices, added));
  to_remind_.erase(to_remind_.begin(), end);
  return ok();
}

Result<std::size_t> Outbox::gather() {
  std::size_t added = 0;
  const UtcTime too_old = clock_.now() - config_.give_up_after;
  for (;;) {
    const std::vector<broker::AuditRecord> records = store_.audit(next_record_, kAtOnce);
    std::vector<Notice> notices;
    for (const broker::AuditRecord& record : records) {
      const Result<Json> body = Json::parse(record.body);
      const Result<UtcTime> at = body ? UtcTime::parse(body->text("at")) : Result<UtcTime>(body.error());
      if (!at || *at < too_old) continue;
      if (std::optional<Notice> notice = notice_of(*body, store_, config_.socket))
        notices.push_back(*std::move(notice));
    }
    const std::uint64_t before = next_record_;
    next_record_ += records.size();
    // Where nothing is to be told, only a long way is worth remembering.
    if (!notices.empty() || records.size() == kAtOnce) {
      if (const Status done = add(notices, added); !done) {
        next_record_ = before;
        return done.error();
      }
      for (const Notice& notice : notices) {
        if (reminds_ && notice.kind == NoticeKind::Request) expect_reminder(notice.message);
      }
    }
    if (records.size() < kAtOnce) break;
  }
  RETURN_IF_ERROR(remind(added));
  return added;
}

std::vector<Delivery> Outbox::due(std::string_view channel, std::int64_t digest) const {
  std::vector<Delivery> found;
  std::int64_t all = 0;
  const UtcTime now = clock_.now();
  store_.read([&](Connection& connection) {
    Query row(connection,
              "SELECT id, channel, kind, message, attempts, made FROM deliveries WHERE status = 'waiting' AND "
              "channel = ? AND next <= ? ORDER BY kind IN ('quarantine', 'override', 'break_glass') DESC, next, rowid "
              "LIMIT ?",
              channel, now, digest == 0 ? 1 : kMostInDigest);
    while (row.next()) found.push_back(delivery_of(row));
    if (digest == 0) return;
    Query count(connection, "SELECT count(*) FROM deliveries WHERE status = 'waiting' AND channel = ? AND next <= ?",
                channel, now);
    if (count.next()) all = count.integer(0);
  });
  const bool alone = found.size() > 1 && (all < digest || broker::is_loud(found.front().kind));
  if (alone) found.resize(1);
  return found;
}

Status Outbox::end(const Delivery& delivery, std::string_view status, std::int64_t attempts, const std::string& why) {
  broker::AuditEvent event{"notice_" + std::string(status),
                           {{"message_id", delivery.id},
                            {"channel", delivery.channel},
                            {"notice", broker::name_of(delivery.kind)},
                            {"attempts", attempts}}};
  for (Json::Member& member : subject_of(delivery.message)) event.members.push_back(std::move(member));
  if (!why.empty()) event.members.emplace_back("reason", why);
  const UtcTime now = clock_.now();
  return store_.change(std::move(event), [&](Connection& connection) -> Status {
    Query update(connection,
                 "UPDATE deliveries SET status = ?, attempts = ?, ended = ?, error = ? WHERE id = ? AND "
                 "status = 'waiting'",
                 status, attempts, now, why, delivery.id);
    RETURN_IF_ERROR(update.run());
    if (connection.changes() == 1) return ok();
    return Error{ErrorCode::Conflict, "the delivery " + delivery.id + " has ended already", "delivery_ended"};
  });
}

Status Outbox::delivered(const Delivery& delivery) {
  return end(delivery, kDelivered, delivery.attempts + 1, "");
}

Status Outbox::drop(const Delivery& delivery, const std::string& why) {
  return end(delivery, kDropped, delivery.attempts, why);
}

Status Outbox::failed(const Delivery& delivery, const std::string& why) {
  const std::string error = why.substr(0, kLongestError);
  const std::int64_t attempts = delivery.attempts + 1;
  const UtcTime next = clock_.now() + pause_after(attempts);
  if (next >= delivery.made_at + config_.give_up_after) return end(delivery, kGivenUp, attempts, error);
  return store_.change([&](Connection& connection) -> Status {
    Query update(connection, "UPDATE deliveries SET attempts = ?, next = ?, error = ? WHERE id = ?", attempts, next,
                 error, delivery.id);
    return update.run();
  });
}

Result<std::int64_t> Outbox::hasten(broker::AuditEvent event) {
  std::int64_t count = 0;
  const UtcTime now = clock_.now();
  RETURN_IF_ERROR(store_.change(std::move(event), [&](Connection& connection) -> Status {
    Query update(connection, "UPDATE deliveries SET next = ? WHERE status = 'waiting' AND next > ?", now, now);
    RETURN_IF_ERROR(update.run());
    count = connection.changes();
    return ok();
  }));
  return count;
}

Json Outbox::listed(std::string_view status, std::size_t most) const {
  Json::Array rows;
  const std::string_view wanted = status.empty() ? std::string_view("%") : status;
  store_.read([&](Connection& connection) {
    Query row(connection,
              "SELECT id, channel, kind, message, attempts, made, status, next, ended, error FROM deliveries WHERE "
              "status LIKE ? ORDER BY made DESC, rowid DESC LIMIT ?",
              wanted, most);
    while (row.next()) {
      const Delivery delivery = delivery_of(row);
      const bool waiting = row.text(6) == kWaiting;
      Json out = Json::object(
          {{"id", delivery.id}, {"channel", delivery.channel}, {"notice", broker::name_of(delivery.kind)}});
      for (Json::Member& member : subject_of(delivery.message)) out.set(member.first, std::move(member.second));
      out.set("status", row.text(6));
      out.set("attempts", delivery.attempts);
      out.set("made_at", delivery.made_at.rfc3339());
      if (waiting) out.set("next_attempt_at", row.time(7).rfc3339());
      if (!row.is_null(8)) out.set("ended_at", row.time(8).rfc3339());
      if (!row.text(9).empty()) out.set("error", row.text(9));
      rows.push_back(std::move(out));
    }
  });
  return Json(std::move(rows));
}

}  // namespace countersign::notices
