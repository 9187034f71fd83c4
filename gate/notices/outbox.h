// What is to be told, in broker.db: it outlives the process, each notice once for each channel, retried until it is
// delivered, given up, or nobody needs it any more.
//
// It is derived from the audit chain: what was recorded is told, also where the broker died in between. From any
// thread.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/clock.h"
#include "common/json.h"
#include "common/result.h"
#include "gate/broker/broker_store.h"
#include "gate/broker/notify_config.h"
#include "gate/notices/notice.h"

namespace countersign::notices {

// One notice on one channel.
struct Delivery {
  std::string id;  // "msg_" and 32 hex digits; the same for every attempt
  std::string channel;
  broker::NoticeKind kind{};
  Json message;
  std::int64_t attempts = 0;  // so far
  UtcTime made_at;
};

class Outbox {
 public:
  // All outlive it. Makes its tables where they are missing: what was recorded before that, or while nobody was to be
  // told, is not told. Drops what
  // waits for channels that are gone. Fails as the store does.
  static Result<std::unique_ptr<Outbox>> open(broker::BrokerStore& store, const broker::NotifyConfig& config,
                                              const Clock& clock);

  // Takes in what was recorded since, and reminders that are due. Gives how many deliveries came of it.
  Result<std::size_t> gather();

  // What to try now in one message, oldest first, what is loud before all others and alone. One, or where at least
  // `digest` (if that is not 0) are due, up to eight. Empty where none is due.
  std::vector<Delivery> due(std::string_view channel, std::int64_t digest) const;

  // What became of an attempt. A delivery, and what ends without one, is an audit record in the same transaction:
  // notice_delivered, notice_given_up, notice_dropped.
  Status delivered(const Delivery& delivery);
  // Tried again after a while, unless `give_up_after` is over.
  Status failed(const Delivery& delivery, const std::string& why);
  // Nobody needs it any more.
  Status drop(const Delivery& delivery, const std::string& why);

  // Everything that waits is due now: somebody mended what failed. Gives how many.
  Result<std::int64_t> hasten(broker::AuditEvent event);

  // The newest `most`: [{"id","channel","notice","request_id"|…,"status","attempts","made_at","next_attempt_at",
  // "ended_at","error"}]; `status` empty for any.
  Json listed(std::string_view status, std::size_t most) const;

 private:
  Outbox(broker::BrokerStore& store, const broker::NotifyConfig& config, const Clock& clock)
      : store_(store), config_(config), clock_(clock) {}
  Status prepare();
  Status add(const std::vector<Notice>& notices, std::size_t& added);
  // Reminders are known by their time from the start on: nothing is searched for while nothing is due.
  void expect_reminder(const Json& message);
  Status remind(std::size_t& added);
  Status end(const Delivery& delivery, std::string_view status, std::int64_t attempts, const std::string& why);

  broker::BrokerStore& store_;
  const broker::NotifyConfig& config_;
  const Clock& clock_;
  std::uint64_t next_record_ = 0;                    // gather()'s alone, as the next
  std::multimap<UtcTime, std::string> to_remind_{};  // requests, by when
  bool reminds_ = false;                             // some channel wants it
};

}  // namespace countersign::notices
