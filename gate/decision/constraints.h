// The constraints of a rule that look at agent, credential, time and sandbox (reference: gait-formats §7.2.4 to 7).
// Each adds its reasons to the outcome and leaves it alone where the rule does not ask.
#pragma once

#include "common/clock.h"
#include "gate/decision/rule_outcome.h"
#include "gate/intent/intent.h"
#include "gate/policy/policy.h"

namespace countersign::gate {

void judge_agent(const Rule& rule, const Intent& intent, UtcTime now, RuleOutcome& out);
// Left to the broker's receipt where the rule wants a brokered credential.
void judge_credential(const Rule& rule, const Intent& intent, RuleOutcome& out);
// A zone or window that cannot be read blocks.
void judge_freeze(const Rule& rule, const Intent& intent, UtcTime now, RuleOutcome& out);
void judge_sandbox(const Rule& rule, const Intent& intent, RuleOutcome& out);

}  // namespace countersign::gate
