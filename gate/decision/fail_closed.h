// The fields a policy demands of risky intents before any rule is looked at (reference: gait-formats §7 step 3).
#pragma once

#include <optional>

#include "gate/context/context_evidence.h"
#include "gate/policy/policy.h"

namespace countersign::gate {

struct FailClosedFindings {
  Texts reasons;
  Texts violations;
  bool has_context_reason = false;
};

// Nothing where fail_closed is off, does not cover the risk class, or finds nothing to object to.
std::optional<FailClosedFindings> fail_closed_findings(const FailClosed& rules, const JudgedIntent& judged);

}  // namespace countersign::gate
