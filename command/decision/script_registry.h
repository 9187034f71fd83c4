// The registry of scripts approved ahead of time, as the gate takes it (reference: gait-formats §12).
#pragma once

#include <string>
#include <vector>

#include "command/decision/gate_inputs.h"
#include "command/line/arguments.h"
#include "common/clock.h"
#include "common/result.h"
#include "gate/evidence/approved_script.h"
#include "keymgmt/key_set.h"

namespace countersign::command {

inline constexpr Flag kRegistryFlag = {"approved-script-registry", Flag::Kind::Text, "FILE",
                                       "scripts approved ahead of time; read for every evaluation"};

class ScriptRegistry {
 public:
  // What --approved-script-registry names, which is read when it is needed. `settings` outlives it.
  explicit ScriptRegistry(const Arguments& settings);

  // Whether the registry may speak about an intent under this policy: not where that demands evidence of the context.
  bool applies(const GateInputs& inputs) const { return !path_.empty() && !inputs.policy.demands_context(); }

  // What the decision becomes. Precondition: applies. `keys` are those that count for script approvals; an entry that
  // they do not verify, or that has expired, approves nothing, and `warnings` say so. A registry that cannot be read
  // stops an evaluation that fails closed with Refused (exit 3), any other with Invalid (exit 6). The file is read
  // once.
  Result<gate::Decision> judge(const GateInputs& inputs, gate::Decision decided, const keymgmt::KeySet& keys,
                               UtcTime now, std::vector<std::string>& warnings);

 private:
  Status read(const GateInputs& inputs, const keymgmt::KeySet& keys, UtcTime now, std::vector<std::string>& warnings);
  const Arguments* settings_;
  std::string path_;
  bool read_ = false;
  std::vector<gate::ApprovedScript> entries_;  // those that count
};

}  // namespace countersign::command
