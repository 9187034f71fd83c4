#include "signer/daemon/publication_health.h"

namespace countersign::daemon {
namespace {

constexpr std::chrono::hours kSignAhead{24 * 45};  // a quorum takes time to meet

std::int64_t days_between(UtcTime from, UtcTime to) {
  return std::chrono::floor<std::chrono::days>(to - from).count();
}

}  // namespace

std::vector<Deadline> publication_deadlines(const Publisher& publisher) {
  std::vector<Deadline> deadlines;
  const publication::Repository* repository = publisher.repository();
  if (repository == nullptr) return deadlines;
  deadlines.push_back({"root", repository->root().expires});
  deadlines.push_back({"targets", repository->targets().expires});
  if (const std::optional<UtcTime> expires = repository->expires()) deadlines.push_back({"online", *expires});
  return deadlines;
}

Json publication_json(const Publisher& publisher, UtcTime now) {
  const publication::Repository* repository = publisher.repository();
  Json json = Json::object({{"signed", repository != nullptr}});
  if (repository != nullptr) {
    json.set("trial", repository->root().trial);
    json.set("root_version", repository->root().version);
    json.set("targets_version", repository->targets().version);
  }
  Json::Array rows;
  for (const Deadline& each : publication_deadlines(publisher)) {
    rows.push_back(
        Json::object({{"what", each.what}, {"at", each.at.rfc3339()}, {"days_left", days_between(now, each.at)}}));
  }
  json.set("deadlines", std::move(rows));
  if (publisher.trouble()) json.set("trouble", publisher.trouble()->detail);
  return json;
}

std::vector<PublicationFinding> publication_findings(const config::Config& config, const Publisher& publisher,
                                                     UtcTime now) {
  std::vector<PublicationFinding> found;
  if (publisher.trouble()) {
    const Error& error = *publisher.trouble();
    found.push_back({"the key set could not be published: " + error.detail,
                     error.hint.empty() ? "It is tried again every few seconds." : error.hint, true});
  }
  const publication::Repository* repository = publisher.repository();
  if (repository == nullptr) {
    if (config.role(keymgmt::Role::Publication) != nullptr) {
      found.push_back({"the published keys are signed by nobody: there is no root yet",
                       "`countersignd init` makes a trial root; production has a ceremony."});
    }
    return found;
  }
  if (repository->root().trial) {
    found.push_back({"the root of the published keys is a trial: its custodians' keys lie in the state directory",
                     "Production gets its root from a ceremony."});
  }
  for (const Deadline& each : publication_deadlines(publisher)) {
    const bool online = each.what == "online";
    const std::chrono::nanoseconds ahead =
        online ? config.publication_lifetime / 2 : std::chrono::nanoseconds(kSignAhead);
    // The timer comes once a refresh; until it had its chance nothing is late.
    const std::chrono::nanoseconds late = online && config.publication_refresh > config.publication_lifetime / 2
                                              ? config.publication_lifetime - config.publication_refresh
                                              : ahead;
    if (each.at - now >= (online ? std::min(ahead, late) : ahead)) continue;
    found.push_back(
        {std::string(each.what) + " metadata of the published keys ends at " + each.at.rfc3339() +
             "; verifiers then refuse everything",
         online ? "Is the role publication up, and its directory writable?" : "Have the custodians sign a new one.",
         true});
  }
  return found;
}

}  // namespace countersign::daemon
