// What is said of a decision: gait's members (gait-formats §2.2), a text for people, and what to do next. The texts are
// made of the members, so that a gate that was asked says what this process would.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "command/decision/gate_inputs.h"
#include "common/json.h"
#include "gate/decision/evaluate.h"
#include "gate/evidence/approval.h"

namespace countersign::command {

struct GateAnswer {
  const GateInputs& inputs;
  const gate::Decision& decision;
  const std::optional<gate::ApprovalJudgement>& judgement;
  std::string profile;
  std::string trace_id;     // empty where nothing was signed
  std::string policy_path;  // where a reader finds the lines that decide
  bool check = false;
  bool simulate = false;
  std::vector<std::string> warnings;
};

// gait's members but for paths of files, and ours: where approvals are missing required_scopes, distinct_approvers and
// approve (the line that mints one); for every verdict but a simulated one explanation (gate/explanation/explanation.h)
// and policy (path, digest). All but `ok` are left out when empty, 0 or false. With `simulate` the verdict is gait's
// `allow`, and the real one stands in simulated_verdict.
Json gate_json(const GateAnswer& answer);

// `members` without ours.
Json without_ours(Json members);

// gait's object gait.gate.policy_explain about the same, without paths of files.
Json explain_json(const GateAnswer& answer);

// What gait shows and signs of a simulated decision: an allow with the reasons why it is none.
gate::Decision simulated(gate::Decision decision);

// For people, from gate_json's members and the paths of files that were added to them.
std::string gate_text(const Json& members);

// The line that mints one approval for this decision; approver and reason come from two variables of the shell.
std::string approve_line(const GateInputs& inputs, const std::vector<std::string>& scopes);

// For stderr, one line each: for each reason the rule and line that gave it, what was looked at and what would change
// the answer; then what to do. Empty at exit 0.
std::vector<std::string> next_steps(const Json& members);

}  // namespace countersign::command
