// A policy tried on an intent without evidence, keys or files: what `policy test` and `policy simulate` say.
#pragma once

#include <string>

#include "common/digest.h"
#include "gate/decision/evaluate.h"

namespace countersign::gate {

struct PolicyTrial {
  Digest intent_digest;
  Decision decision;
  // Whether two trials differ in anything a caller would notice: verdict, reasons, violations, rule.
  bool same_as(const PolicyTrial& other) const;
};

// Fails as evaluate.
Result<PolicyTrial> tried(const Policy& policy, const Intent& intent, UtcTime now);

// "policy test verdict=… reasons=… violations=…", cut to 240 bytes with the number of those left out, as gait cuts it.
std::string trial_summary(const Decision& decision);

}  // namespace countersign::gate
