// The decision: a pure function of policy, intent, evidence and time (reference: gait-formats §7). It touches no file,
// no key and no clock; approvals (gate/evidence/approval.h) are judged after it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "common/clock.h"
#include "common/json.h"
#include "common/result.h"
#include "gate/context/context_evidence.h"
#include "gate/context/inventory.h"
#include "gate/policy/policy.h"
#include "gate/state/kill_switch.h"

namespace countersign::gate {

// What is known beside the intent.
struct Evidence {
  std::optional<KillSwitch> kill_switch;   // the state file, where one was given
  std::optional<ToolInventory> inventory;  // for the steps of a script; an intent was told before (with_inventory)
  // The state file could not be read and the intent is too risky to go on (gait-formats §7 step 0).
  bool kill_switch_unavailable = false;
};

struct BrokerNeed {
  bool required = false;
  std::string reference;
  std::vector<std::string> scopes;
  std::int64_t max_ttl_seconds = 0;  // the least max_credential_ttl_seconds of the rules; 0: no limit
};

struct StepVerdict {
  std::int64_t index = 0;
  std::string tool_name;
  Verdict verdict = Verdict::Block;
  std::vector<std::string> reason_codes;
  std::vector<std::string> violations;
  std::string matched_rule;
};

struct Decision {
  Verdict verdict = Verdict::Block;
  std::vector<std::string> reason_codes;  // sorted, unique
  std::vector<std::string> violations;    // sorted, unique
  std::string matched_rule;               // names joined by comma; empty where none matched
  std::int64_t required_approvals = 0;    // > 0 only with require_approval
  bool distinct_approvers = false;
  std::vector<std::string> required_scopes;  // gait-formats §9.3.5, e.g. "tool:db.drop", "phase:apply"
  bool destructive = false;                  // some target is
  bool delegation_required = false;
  BrokerNeed broker;
  std::optional<RateRule> rate_limit;
  std::optional<RateRule> destructive_budget;
  std::string phase;
  std::string context_source;         // as in ContextEvidence
  bool has_context_reason = false;    // blocked for missing, stale or weak context
  std::optional<Json> freeze_window;  // the answer's members of these names
  std::optional<Json> sandbox;
  std::optional<Json> kill_switch;
  std::optional<Json> mcp_trust;
  // Of a script only.
  std::int64_t step_count = 0;
  std::string composite_risk_class;
  std::vector<StepVerdict> step_verdicts;

  bool stopped_by_kill_switch = false;  // an entry is active, or the state cannot be read
  // Of a script that an entry of a registry approves (gate/evidence/approved_script.h).
  bool pre_approved = false;
  std::string pattern_id;
  std::string registry_reason;        // also where no entry fits
  std::optional<UtcTime> decided_at;  // what gait writes as created_at then; otherwise the intent's

  // matched_rule, taken apart.
  std::vector<std::string> rule_names() const;
};

// Fails with Invalid (exit 6) where the policy asks for something this build cannot judge; nothing is ignored.
// Rules, freeze windows, agent expiry and kill switch are judged at `now`.
Result<Decision> evaluate(const Policy& policy, const JudgedIntent& judged, const Evidence& evidence, UtcTime now);

// The JSON of step verdicts as it stands in answers and traces.
Json step_verdicts_json(const std::vector<StepVerdict>& steps);

}  // namespace countersign::gate
