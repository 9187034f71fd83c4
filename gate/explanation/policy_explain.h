// gait's object gait.gate.policy_explain: what `gate eval --explain --json` answers instead of the decision (reference:
// gait-formats §2.2, §21). Ours, with lines and advice, is explanation.h.
#pragma once

#include <string>

#include "common/clock.h"
#include "common/json.h"
#include "gate/decision/evaluate.h"

namespace countersign::gate {

struct ExplainInputs {
  const Policy& policy;
  const JudgedIntent& judged;
  const Decision& decision;  // as answered: after approvals, delegation, broker, limits
  std::int64_t valid_approvals = 0;
  UtcTime created_at;
  // Where the proofs were written; empty where nothing was.
  std::string trace_id;
  std::string trace_path;
  std::string approval_audit_path;
  std::string delegation_audit_path;
  std::string credential_evidence_path;
};

Json policy_explain(const ExplainInputs& inputs);

}  // namespace countersign::gate
