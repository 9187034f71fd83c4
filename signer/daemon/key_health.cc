#include "signer/daemon/key_health.h"

#include <algorithm>

#include "keymgmt/rotation.h"

namespace countersign::daemon {
namespace {

using keymgmt::KeyState;
using keymgmt::PublishedKey;

std::int64_t days_between(UtcTime from, UtcTime to) {
  return std::chrono::floor<std::chrono::days>(to - from).count();
}

Json kid_or_null(const PublishedKey* key) {
  return key == nullptr ? Json() : Json(key->key.kid());
}

// Keys that wait for a moment: to stand by, or to be out of use.
Json waiting_json(const keymgmt::KeySet& keys, const RoleKeys& row) {
  Json::Array waiting;
  for (const PublishedKey& key : keys.keys()) {
    if (key.role != row.role || key.key.algorithm() != row.algorithm) continue;
    const bool staged = key.state == KeyState::Staged && key.gate_opens;
    const bool retiring = key.state == KeyState::Retiring && key.verify_until;
    if (!staged && !retiring) continue;
    Json entry = Json::object({{"kid", key.key.kid()}, {"state", keymgmt::name_of(key.state)}});
    if (staged) entry.set("gate_opens", key.gate_opens->rfc3339());
    if (retiring) entry.set("verify_until", key.verify_until->rfc3339());
    waiting.push_back(std::move(entry));
  }
  return waiting;
}

std::string title(const RoleKeys& row) {
  return "the role " + std::string(keymgmt::name_of(row.role)) + " (" + std::string(keymgmt::name_of(row.algorithm)) +
         ")";
}

}  // namespace

bool RoleKeys::due_soon(UtcTime now, std::chrono::nanoseconds rotate_every) const {
  const std::chrono::nanoseconds ahead = std::max<std::chrono::nanoseconds>(rotate_every / 10, std::chrono::hours(24));
  return rotate_by && *rotate_by - now <= ahead;
}

std::vector<RoleKeys> role_keys(const config::Config& config, const keymgmt::KeySet& keys) {
  std::vector<RoleKeys> rows;
  for (const config::RoleConfig& role : config.roles) {
    for (const keymgmt::Algorithm algorithm : role.algorithms) {
      RoleKeys row;
      row.role = role.role;
      row.algorithm = algorithm;
      row.active = keymgmt::active_key(keys.keys(), role.role, algorithm);
      row.standby = keymgmt::standby_key(keys.keys(), role.role, algorithm);
      row.halted =
          row.active == nullptr && std::any_of(keys.keys().begin(), keys.keys().end(), [&](const PublishedKey& key) {
            return key.role == role.role && key.key.algorithm() == algorithm && key.compromised_since;
          });
      if (row.active != nullptr && role.rotate_every) row.rotate_by = row.active->not_before + *role.rotate_every;
      rows.push_back(row);
    }
  }
  return rows;
}

Json role_keys_json(const config::Config& config, const keymgmt::KeySet& keys, UtcTime now) {
  Json::Array rows;
  for (const RoleKeys& row : role_keys(config, keys)) {
    Json json = Json::object({{"role", keymgmt::name_of(row.role)},
                              {"algorithm", keymgmt::name_of(row.algorithm)},
                              {"active", kid_or_null(row.active)},
                              {"standby", kid_or_null(row.standby)},
                              {"halted", row.halted}});
    if (row.active != nullptr) json.set("active_since", row.active->not_before.rfc3339());
    if (row.rotate_by) {
      json.set("rotate_by", row.rotate_by->rfc3339());
      json.set("days_left", days_between(now, *row.rotate_by));
    }
    json.set("waiting", waiting_json(keys, row));
    rows.push_back(std::move(json));
  }
  return rows;
}

std::vector<KeyFinding> key_findings(const config::Config& config, const keymgmt::KeySet& keys, UtcTime now) {
  std::vector<KeyFinding> found;
  for (const RoleKeys& row : role_keys(config, keys)) {
    if (row.standby == nullptr) {
      found.push_back({row.role, true, title(row) + " has no standby key: a halt would leave it without one that signs",
                       "Name a standby_token and run `countersignd stage " + std::string(keymgmt::name_of(row.role)) +
                           " --config FILE`."});
    }
    const config::RoleConfig& role = *config.role(row.role);
    if (role.rotate_every && row.due_soon(now, *role.rotate_every)) {
      found.push_back({row.role, false, title(row) + " is to be rotated by " + row.rotate_by->rfc3339(),
                       "`countersignd stage`, then `countersign keys activate KID` when its gate has opened."});
    }
  }
  return found;
}

std::vector<KeyFinding> KeyWarnings::due(std::vector<KeyFinding> found, UtcTime now) {
  std::set<std::string> present;
  for (const KeyFinding& each : found) present.insert(each.what);
  const bool all = now >= all_told_ + std::chrono::hours(24);
  if (all) all_told_ = now;
  if (!all) std::erase_if(found, [&](const KeyFinding& each) { return told_.contains(each.what); });
  told_ = std::move(present);
  return found;
}

}  // namespace countersign::daemon
