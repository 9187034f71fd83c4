// What one matching rule says about an intent (reference: gait-formats §7.2): its effect, tightened by each of its
// constraints.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "common/clock.h"
#include "common/json.h"
#include "gate/context/context_evidence.h"
#include "gate/policy/policy.h"

namespace countersign::gate {

struct RuleOutcome {
  Verdict effect = Verdict::Block;
  Texts reasons;
  Texts violations;
  std::int64_t min_approvals = 0;
  bool has_context_reason = false;
  std::optional<Json> freeze_window;  // the decision object of gait's answer
  std::optional<Json> sandbox;
  bool sandbox_is_valid = false;

  // Each reason is a violation of the same name.
  void refuse(const std::string& code);
  void raise_to(Verdict least);
};

// "matched_rule_" and the name, as gait derives it.
std::string reason_of_rule(const std::string& name);

RuleOutcome outcome_of(const Rule& rule, const JudgedIntent& judged, UtcTime now);

}  // namespace countersign::gate
