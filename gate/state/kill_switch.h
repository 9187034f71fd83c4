// The kill switch's state file: who is stopped, until when (reference: gait-formats §14). gait leaves it unsigned; ours
// may carry an attestation (state_attestation.h).
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/clock.h"
#include "common/json.h"
#include "common/result.h"
#include "gate/intent/intent.h"

namespace countersign::gate {

struct KillSwitchEntry {
  std::string entry_id;
  bool enabled = false;
  std::string agent_id;
  std::string identity;
  std::string tool_name;
  std::string target_kind;
  std::string target_value;
  std::string environment;
  std::vector<std::string> path_prefixes;
  std::vector<std::string> workspace_prefixes;
  std::string reason;
  std::string actor;
  UtcTime created_at;
  UtcTime expires_at;  // zero: never

  // Whether it names anybody or anything; without a selector an entry stops everything.
  bool has_selector() const;
  // In gait's file order; empty members left out, both times always there.
  Json json() const;
};

// What an active entry says about an intent.
struct KillSwitchFinding {
  Json json;                              // the answer's and trace's member `kill_switch`
  std::vector<std::string> reason_codes;  // kill_switch_active and kill_switch_<selector>_active
};

class KillSwitch {
 public:
  // An empty state, begun at `now`.
  static KillSwitch begin(UtcTime now);
  // Fails with Invalid on anything that is no such file.
  static Result<KillSwitch> parse(std::string_view text);
  // The first enabled, unexpired entry all of whose selectors match.
  std::optional<KillSwitchFinding> finding(const Intent& intent, UtcTime now) const;
  const std::vector<KillSwitchEntry>& entries() const { return entries_; }

  // Adds `entry`, normalised, with an id of its own, enabled, created at `now`. Fails with Invalid for an entry without
  // a selector and for one that has expired already.
  Result<KillSwitchEntry> add(KillSwitchEntry entry, UtcTime now);
  // Switches an entry off, or lets it end at `now`; either leaves it in the file. Fails with Invalid for an unknown id.
  Result<KillSwitchEntry> disable(std::string_view entry_id, UtcTime now);
  Result<KillSwitchEntry> expire(std::string_view entry_id, UtcTime now);
  // gait's file.
  Json document() const;

 private:
  Result<KillSwitchEntry*> entry(std::string_view entry_id);
  UtcTime created_at_;
  UtcTime updated_at_;
  std::vector<KillSwitchEntry> entries_;
};

}  // namespace countersign::gate
