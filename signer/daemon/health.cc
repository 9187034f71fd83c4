#include "signer/daemon/health.h"

#include <unistd.h>

#include <algorithm>
#include <set>

#include "signer/daemon/key_health.h"
#include "signer/daemon/ledger_keeper.h"
#include "signer/daemon/publication_health.h"
#include "signer/daemon/separation.h"

namespace countersign::daemon {
namespace {

using keymgmt::Role;

bool canary_counts(const HolderState& holder) {
  return std::chrono::steady_clock::now() - holder.last_canary < kCanaryCounts;
}

bool signs(const std::vector<HolderState>& holders, Role role) {
  return std::any_of(holders.begin(), holders.end(),
                     [&](const HolderState& each) { return each.name.role == role && canary_counts(each); });
}

// Null where no log is kept.
Json log_status(const Services& services) {
  if (services.log == nullptr) return nullptr;
  return Json::object({{"origin", services.log->origin()},
                       {"size", services.log->size()},
                       {"behind", services.store.head().size - services.log->size()}});
}

Json findings_json(const std::vector<Finding>& findings) {
  Json::Array rows;
  for (const Finding& each : findings) rows.push_back(Json::object({{"what", each.what}, {"fix", each.fix}}));
  return rows;
}

Json holder_json(const HolderState& holder) {
  Json json = Json::object({{"role", keymgmt::name_of(holder.name.role)},
                            {"index", holder.name.index},
                            {"generation", holder.name.generation},
                            {"in_flight", std::uint64_t{holder.in_flight}},
                            {"answered", holder.answered},
                            {"canary_good", canary_counts(holder)}});
  for (const char* name : {"uid", "token", "keys", "confinement"}) {
    if (const Json* value = holder.ready.find(name)) json.set(name, *value);
  }
  return json;
}

// What the supervisor said of holders that are not up.
Json troubles_json(const HolderTroubles& troubles) {
  Json::Array rows;
  for (const auto& [place, trouble] : troubles.all()) {
    rows.push_back(Json::object({{"role", keymgmt::name_of(place.first)},
                                 {"index", place.second},
                                 {"cause", trouble.cause},
                                 {"message", trouble.message},
                                 {"hint", trouble.hint},
                                 {"retryable", trouble.retryable}}));
  }
  return rows;
}

Json keys_json(const Services& services) {
  const keymgmt::KeySet& keys = services.keys.set();
  Json json = Json::object({{"version", keys.version()}, {"issued_at", keys.issued_at().rfc3339()}});
  if (keys.expires_at()) json.set("expires_at", keys.expires_at()->rfc3339());
  json.set("roles", role_keys_json(services.config, keys, services.clock.now()));
  json.set("publication", publication_json(services.publisher, services.clock.now()));
  return json;
}

Finding unsigned_role(Role role, const HolderTroubles& troubles) {
  const HolderTrouble* trouble = troubles.of(role);
  const std::string what = "no holder of the role " + std::string(keymgmt::name_of(role)) + " signs";
  const std::string fix = "The supervisor's journal says why; a missing token, a refused PIN and a halt need a person.";
  if (trouble == nullptr) return {what, fix};
  return {what + ": " + trouble->text(), trouble->hint.empty() ? fix : trouble->hint};
}

std::vector<Finding> warnings(const Services& services, const std::vector<HolderState>& holders,
                              const std::vector<Weakness>& weaknesses) {
  std::vector<Finding> found;
  for (const auto& [place, trouble] : services.troubles.all()) {
    if (!signs(holders, place.first)) continue;  // an obstacle, told as one
    found.push_back({"the holder " + std::string(keymgmt::name_of(place.first)) + "/" + std::to_string(place.second) +
                         " is down: " + trouble.text(),
                     trouble.hint});
  }
  for (const std::string& each : services.findings) found.push_back({each, "See docs/runbooks; `countersign doctor`."});
  for (const std::string& each : ledger_findings(services.store)) {
    found.push_back({each, "docs/ledger.md, \"Restore\" and \"Checks\"."});
  }
  if (services.log != nullptr && !services.log->finding().empty()) {
    found.push_back({services.log->finding(), "docs/log.md, \"When the log stands still\"."});
  }
  if (const Status agreed = services.ceremonies.check_approvers(); !agreed) {
    found.push_back({agreed.error().detail, agreed.error().hint});
  }
  if (const Status agreed = services.custody.check_roster(); !agreed) {
    found.push_back({agreed.error().detail, agreed.error().hint});
  }
  if (!services.anchors.finding().empty()) {
    found.push_back({services.anchors.finding(), "Look at the trace token: is it full, or read-only?"});
  }
  for (const Weakness& each : weaknesses) {
    found.push_back({"separation: " + each.name + ": " + each.reason, each.fix});
  }
  for (const KeyFinding& each : key_findings(services.config, services.keys.set(), services.clock.now())) {
    found.push_back({each.what, each.fix});
  }
  for (const PublicationFinding& each :
       publication_findings(services.config, services.publisher, services.clock.now())) {
    found.push_back({each.what, each.fix});
  }
  if (services.config.trial) {
    found.push_back({"this is a trial configuration: one uid may decide and approve",
                     "Remove `trial: true` and give sign:trace and sign:approval to different users."});
  }
  if (!services.pump.connected()) {
    found.push_back(
        {"no notifier is up; the security owner is told later", "The supervisor starts it again; see its journal."});
  }
  return found;
}

}  // namespace

std::vector<Finding> obstacles(const Services& services) {
  std::vector<Finding> found;
  const std::vector<HolderState> holders = services.holders.states();
  std::set<Role> keyless;
  for (const RoleKeys& row : role_keys(services.config, services.keys.set())) {
    if (row.active != nullptr || !keyless.insert(row.role).second) continue;
    found.push_back({"the role " + std::string(keymgmt::name_of(row.role)) +
                         (row.halted ? " is halted: its key is compromised and none stood by"
                                     : " has no active key: its first one waits for verifiers to know it"),
                     row.halted ? "`countersignd stage`, then `countersign keys activate KID` when its gate has opened."
                                : "It becomes active by itself; keys.roles[].waiting of `status` says when."});
  }
  for (const config::RoleConfig& role : services.config.roles) {
    if (signs(holders, role.role) || keyless.contains(role.role)) continue;
    found.push_back(unsigned_role(role.role, services.troubles));
  }
  if (services.store.time_guard().stopped()) {
    found.push_back(
        {"the clock stepped, so nothing is signed", "Set the clock right, then POST /v1/time/reset on admin.sock."});
  }
  if (services.store.poisoned()) {
    found.push_back({"the ledger failed to write, so nothing is signed", "Look at the disk; the front starts again."});
  }
  if (const std::optional<ledger::CheckReport> check = services.store.check_report(); check && check->damage) {
    found.push_back(
        {"the check of the ledger found damage, so nothing is signed: " + check->damage->detail, check->damage->hint});
  }
  return found;
}

Json readiness(const Services& services) {
  const std::vector<Finding> found = obstacles(services);
  const std::vector<HolderState> holders = services.holders.states();
  Json roles = Json::object({});
  for (const RoleKeys& row : role_keys(services.config, services.keys.set())) {
    if (row.active != nullptr || roles.find(keymgmt::name_of(row.role)) == nullptr) {
      roles.set(keymgmt::name_of(row.role), row.active != nullptr && signs(holders, row.role));
    }
  }
  return Json::object({{"ready", found.empty()}, {"roles", std::move(roles)}, {"findings", findings_json(found)}});
}

Json status(const Services& services, const transport::HttpCounts& http) {
  const std::vector<HolderState> holders = services.holders.states();
  Json::Array holder_rows;
  for (const HolderState& each : holders) holder_rows.push_back(holder_json(each));
  std::vector<Finding> found = obstacles(services);
  const bool ready = found.empty();
  const std::vector<Weakness> weak = weaknesses(services.config, holders, ::geteuid());
  for (Finding& each : warnings(services, holders, weak)) found.push_back(std::move(each));
  return Json::object({{"ready", ready},
                       {"version", COUNTERSIGN_VERSION},
                       {"separation", separation(weak)},
                       {"trial", services.config.trial},
                       {"holders", std::move(holder_rows)},
                       {"down", troubles_json(services.troubles)},
                       {"front", Json::object({{"pid", std::int64_t{::getpid()}},
                                               {"uid", std::int64_t{::geteuid()}},
                                               {"confinement", services.confinement}})},
                       {"ledger", ledger_json(services.store)},
                       {"log", log_status(services)},
                       {"time", Json::object({{"now", services.clock.now().rfc3339()},
                                              {"stopped", services.store.time_guard().stopped()},
                                              {"mark", services.store.time_guard().mark().wall.rfc3339()}})},
                       {"keys", keys_json(services)},
                       {"connections", http.connections},
                       {"notifier", services.pump.connected()},
                       {"findings", findings_json(found)}});
}

}  // namespace countersign::daemon
