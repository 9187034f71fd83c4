// What `gate eval` says: gait's members (gait-formats §2.2), a text for people, and what to do next.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "command/gate_inputs.h"
#include "common/json.h"
#include "gate/approval.h"
#include "gate/evaluate.h"

namespace countersign::command {

struct GateAnswer {
  const GateInputs& inputs;
  const gate::Decision& decision;
  const std::optional<gate::ApprovalJudgement>& judgement;
  std::string profile;
  std::string trace_id;  // the four are empty where nothing was signed
  std::string trace_path;
  std::string audit_path;
  bool check = false;
  bool simulate = false;
  std::vector<std::string> warnings;
  bool as_gait = false;  // key-file mode: gait's members and none of ours
};

// All members but `ok` are left out when empty, 0 or false. With `simulate` the verdict is gait's `allow`, and the real
// one stands in simulated_verdict.
Json gate_json(const GateAnswer& answer);

// gait's object gait.gate.policy_explain about the same.
Json explain_json(const GateAnswer& answer);

// What gait shows and signs of a simulated decision: an allow with the reasons why it is none.
gate::Decision simulated(gate::Decision decision);

std::string gate_text(const GateAnswer& answer);

// The line that mints one approval for this decision; approver and reason come from two variables of the shell.
std::string approve_line(const GateAnswer& answer);

// For stderr, one line each; empty at exit 0.
std::vector<std::string> next_steps(const GateAnswer& answer);

}  // namespace countersign::command
