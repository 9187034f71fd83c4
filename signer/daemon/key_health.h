// How the keys of each role stand: who signs, who stands by, and how long until something must be done. What `status`,
// the metrics and the security owner are told.
#pragma once

#include <optional>
#include <set>
#include <string>
#include <vector>

#include "common/json.h"
#include "keymgmt/key_set.h"
#include "signer/config/config.h"

namespace countersign::daemon {

struct RoleKeys {
  keymgmt::Role role{};
  keymgmt::Algorithm algorithm{};
  const keymgmt::PublishedKey* active = nullptr;
  const keymgmt::PublishedKey* standby = nullptr;
  bool halted = false;               // no active key, because one was compromised
  std::optional<UtcTime> rotate_by;  // where rotate_every is set and a key is active
  // Warned of in the last tenth of its time, at least a day before.
  bool due_soon(UtcTime now, std::chrono::nanoseconds rotate_every) const;
};

// A row for each configured role and algorithm; the pointers are into `keys`.
std::vector<RoleKeys> role_keys(const config::Config& config, const keymgmt::KeySet& keys);

// [{"role","algorithm","active","active_since","rotate_by","days_left","standby","waiting":[{"kid","state",…}]}]
Json role_keys_json(const config::Config& config, const keymgmt::KeySet& keys, UtcTime now);

struct KeyFinding {
  keymgmt::Role role{};
  bool standby_missing = false;  // otherwise its rotation is due
  std::string what;
  std::string fix;
};
std::vector<KeyFinding> key_findings(const config::Config& config, const keymgmt::KeySet& keys, UtcTime now);

// Which findings the security owner is told of: each as soon as it appears, and all that there are once a day.
class KeyWarnings {
 public:
  std::vector<KeyFinding> due(std::vector<KeyFinding> found, UtcTime now);

 private:
  std::set<std::string> told_;
  UtcTime all_told_;
};

}  // namespace countersign::daemon
