// What `gate eval` decides about: every file it names, read and checked before anything is asked of the signer.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "command/arguments.h"
#include "common/clock.h"
#include "common/digest.h"
#include "common/json.h"
#include "common/result.h"
#include "gate/context_evidence.h"
#include "gate/evaluate.h"
#include "gate/intent.h"
#include "gate/policy.h"

namespace countersign::command {

struct GateInputs {
  gate::Policy policy;
  Digest policy_digest;
  gate::JudgedIntent judged;
  Digest intent_digest;
  Json intent_document;      // as the file has it
  std::vector<Json> tokens;  // in the order of their paths, each path once
  gate::Evidence evidence;
  UtcTime evaluated_at;  // --evaluation-time, else `now`: rules and windows; approvals always go by the wall clock
  std::vector<std::string> warnings;  // what could not be read and does not matter enough to stop
};

// Fails with Invalid (exit 6), in gait's words where gait refuses too.
Result<GateInputs> read_gate_inputs(const Arguments& arguments, UtcTime now);

}  // namespace countersign::command
