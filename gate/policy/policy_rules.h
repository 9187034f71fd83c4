// The second half of Policy::parse: defaults, aliases and the judgement of single rules (reference: gait-formats §6.2).
#pragma once

#include "gate/policy/policy_reader.h"

namespace countersign::gate {

// "allow", " Block " …; `what` begins the error ("invalid default_verdict"), `field` is the member's path.
Result<Verdict> verdict_of(std::string_view text, const std::string& field, const std::string& what);

// Fails with Invalid naming the rule; the error's `field` is the member's path within the rule.
Result<Rule> checked_rule(RawRule raw);

// Lower-cased set of which each member must be known; `what` begins the error, `field` is the member's path.
Result<Texts> known_set(const Texts& texts, const Texts& known, const std::string& field, const std::string& what);

}  // namespace countersign::gate
