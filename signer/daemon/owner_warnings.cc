#include "signer/daemon/owner_warnings.h"

#include <unistd.h>

#include "signer/daemon/publication_health.h"
#include "signer/daemon/refusal_log.h"

namespace countersign::daemon {
namespace {

constexpr std::chrono::hours kPublicationToldEvery{24};

}  // namespace

void OwnerWarnings::tell(config::Event event, std::string_view dedupe, Json details) {
  ledger::Item item;
  item.record.kind = "incident";
  item.record.at = clock_.now();
  item.record.body = Json::object({{"event", config::row_of(event).name}, {"details", details}}).compact();
  item.record.body_digest = sha256(item.record.body);
  item.events.push_back(outbox_event(event, Caller{::geteuid(), ""}, item.record.at, dedupe, std::move(details)));
  recorder_.record(std::move(item), [](const Result<ledger::Committed>&) {});
}

void OwnerWarnings::tell_what_is_due() {
  const UtcTime now = clock_.now();
  tell_of_keys(now);
  tell_of_publication(now);
  tell_of_clock();
}

void OwnerWarnings::tell_of_keys(UtcTime now) {
  for (const KeyFinding& each : keys_told_.due(key_findings(config_, keys_.set(), now), now)) {
    tell(each.standby_missing ? config::Event::StandbyMissing : config::Event::RotationDue, keymgmt::name_of(each.role),
         Json::object({{"role", keymgmt::name_of(each.role)}, {"message", each.what}, {"hint", each.fix}}));
  }
}

void OwnerWarnings::tell_of_publication(UtcTime now) {
  const bool in_trouble = publisher_.trouble().has_value();
  const bool begins = in_trouble && !in_trouble_;
  in_trouble_ = in_trouble;
  if (!begins && now < publication_told_ + kPublicationToldEvery) return;
  publication_told_ = now;
  for (const PublicationFinding& each : publication_findings(config_, publisher_, now)) {
    if (!each.urgent) continue;
    tell(config::Event::PublicationFailed, "publication", Json::object({{"message", each.what}, {"hint", each.fix}}));
  }
}

void OwnerWarnings::tell_of_clock() {
  const Status time = guard_.check();
  if (!time && !clock_told_) tell(config::Event::ClockStep, "clock", Json::object({{"message", time.error().detail}}));
  clock_told_ = !time;
}

}  // namespace countersign::daemon
