// What an evaluation decides about: every document it names, read and checked before anything is asked of the signer.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "command/line/arguments.h"
#include "common/clock.h"
#include "common/digest.h"
#include "common/json.h"
#include "common/result.h"
#include "gate/context/context_envelope.h"
#include "gate/context/context_evidence.h"
#include "gate/decision/evaluate.h"
#include "gate/intent/intent.h"
#include "gate/policy/policy.h"

namespace countersign::command {

struct GateInputs {
  gate::Policy policy;
  Digest policy_digest;
  gate::JudgedIntent judged;
  Digest intent_digest;
  Json intent_document;      // as it was given
  std::vector<Json> tokens;  // in the order of their paths, each path once
  gate::Evidence evidence;
  UtcTime evaluated_at;  // --evaluation-time, else `now`: rules and windows; approvals always go by the wall clock
  std::vector<std::string> warnings;  // what could not be read and does not matter enough to stop
};

// What a caller asks about. Kill switch, inventory, trust in context and profile are settings: of the command line, or
// of the service, whose callers do not choose them.
struct GateQuestion {
  gate::Policy policy;
  Digest policy_digest;
  Json intent_document;
  // Called once the intent is known to be one; empty where there is no envelope.
  std::function<Result<std::optional<gate::ContextEnvelope>>()> envelope;
  UtcTime evaluated_at;
};

// The inputs without tokens. Fails with Invalid, in gait's words where gait refuses too.
Result<GateInputs> gate_inputs(const Arguments& settings, GateQuestion question);

// The same of the files that a command line names, with the approval tokens. Fails with Invalid (exit 6).
Result<GateInputs> read_gate_inputs(const Arguments& arguments, UtcTime now);

// The approvals that a command line names, in the order of their paths, each path once. Fails with Invalid.
Result<std::vector<Json>> read_approval_tokens(const Arguments& arguments);

}  // namespace countersign::command
