#include "gate/decision/stopped_job.h"

#include "gate/decision/decision_parts.h"

namespace countersign::gate {

Decision of_stopped_job(Decision decision, std::string_view reason) {
  add_all(decision.reason_codes, {std::string(reason)});
  make_set(decision.reason_codes);
  add_all(decision.violations, {"emergency_stop_active"});
  make_set(decision.violations);
  decision.verdict = statement::Verdict::Block;
  decision.required_approvals = 0;
  decision.distinct_approvers = false;
  return decision;
}

}  // namespace countersign::gate
