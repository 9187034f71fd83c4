// The kill switch's state file: who is stopped, until when (reference: gait-formats §14). Nobody signs it.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/clock.h"
#include "common/json.h"
#include "common/result.h"
#include "gate/intent.h"

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
};

// What an active entry says about an intent.
struct KillSwitchFinding {
  Json json;                              // the answer's and trace's member `kill_switch`
  std::vector<std::string> reason_codes;  // kill_switch_active and kill_switch_<selector>_active
};

class KillSwitch {
 public:
  // Fails with Invalid on anything that is no such file.
  static Result<KillSwitch> parse(std::string_view text);
  // The first enabled, unexpired entry all of whose selectors match.
  std::optional<KillSwitchFinding> finding(const Intent& intent, UtcTime now) const;
  const std::vector<KillSwitchEntry>& entries() const { return entries_; }

 private:
  std::vector<KillSwitchEntry> entries_;
};

}  // namespace countersign::gate
