// What `mcp proxy` and `mcp serve` say of a tool call (reference: gait-formats §17).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "command/decision/decision_signer.h"
#include "command/decision/evaluation.h"
#include "command/decision/served_policies.h"
#include "command/line/arguments.h"
#include "common/json.h"
#include "common/result.h"
#include "gate/call/tool_call.h"

namespace countersign::command {

// A tool call and the evidence that came with it.
struct PresentedCall {
  gate::ToolCall call;
  std::string adapter;
  std::vector<Json> approval_tokens;
  std::vector<Json> delegation_tokens;
};

struct JudgedCall {
  EvaluationAnswer said;
  std::string policy_digest;
  std::int64_t milliseconds = 0;
};

// Evaluates the call as an intent, has the decision signed, and counts what it costs. `settings` are those of
// command/decision/gate_settings.h. Fails with Invalid where the profile asks for a context or a login's evidence that
// the call lacks, and as Evaluation::conclude does.
Result<JudgedCall> judge_call(const Arguments& settings, LoadedPolicy policy, const PresentedCall& presented,
                              DecisionSigner& signer);

// The members of gait's answer, without the trace's path.
Json call_members(const JudgedCall& judged, const PresentedCall& presented);

}  // namespace countersign::command
