#include "signer/daemon/refusal_log.h"

namespace countersign::daemon {

ledger::OutboxEvent outbox_event(config::Event event, const Caller& caller, UtcTime at, std::string_view dedupe,
                                 Json details) {
  const config::EventRow& row = config::row_of(event);
  ledger::OutboxEvent out;
  out.event = std::string(row.name);
  out.dedupe_key = out.event + ":" + std::to_string(caller.uid) + ":" + std::string(dedupe);
  out.at = at;
  out.window = row.window;
  details.set("peer_uid", std::int64_t{caller.uid});
  details.set("request_id", caller.request_id);
  out.body = details.compact();
  return out;
}

void RefusalLog::note(const Refusal& refusal, const Caller& caller, std::string_view type, std::string_view role) {
  if (!refusal.event) return;
  if (!limiter_.admit(caller.uid, std::chrono::steady_clock::now())) {
    ++unrecorded_;
    return;
  }
  limiter_.release(caller.uid);
  const std::string code = refusal.error.wire_code();
  Json details = Json::object({{"code", code}, {"message", refusal.error.detail}, {"asked_for", type}});
  if (!refusal.tokens.empty()) details.set("tokens", json_of(refusal.tokens));
  ledger::Item item;
  item.record.kind = "refused";
  item.record.at = clock_.now();
  item.record.type = std::string(type);
  item.record.role = std::string(role);
  item.record.peer_uid = caller.uid;
  item.record.request_id = caller.request_id;
  item.record.body = details.compact();
  item.record.body_digest = sha256(item.record.body);
  item.events.push_back(outbox_event(*refusal.event, caller, item.record.at, code, std::move(details)));
  recorder_.record(std::move(item), [](const Result<ledger::Committed>&) {});
}

}  // namespace countersign::daemon
