// Whether a rule speaks about an intent (reference: gait-formats §7.1).
#pragma once

#include "gate/intent/intent.h"
#include "gate/policy/policy.h"

namespace countersign::gate {

// All given conditions hold; inside a list any element may match, and each list may be satisfied by another target.
// A workspace prefix is a prefix of the text, as in gait, for a rule that restricts; a rule that permits matches the
// workspace itself and what lies below it, never a sibling ("/home/ab" is not below "/home/a").
bool matches(const Rule& rule, const Intent& intent);

// Whether any of the five delegation conditions is set, all of which need a delegation block.
bool demands_delegation(const Match& match);

bool holds(const Texts& list, std::string_view text);

}  // namespace countersign::gate
