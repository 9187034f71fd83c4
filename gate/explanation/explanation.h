// Why a decision is what it is, for people: for each reason the rule and the line of the policy that gave it, the
// evidence it looked at, and what would change the answer.
#pragma once

#include <string>
#include <vector>

#include "common/json.h"
#include "gate/decision/evaluate.h"

namespace countersign::gate {

struct ExplainedReason {
  std::string code;
  std::string rule;          // empty where no rule gave it: the default verdict, fail_closed, a kill switch
  std::string member;        // of the rule, or of the policy: "endpoint.path_allowlist"
  int line = 0;              // of the policy's text; 0 where it says nothing about it
  std::string evidence;      // what was looked at: "intent targets[].value"
  std::string would_change;  // what would change the answer
  std::int64_t step = -1;    // of a script
};

struct ExplainedRule {
  std::string name;
  std::int64_t priority = 0;
  Verdict effect = Verdict::Block;   // as written
  Verdict verdict = Verdict::Block;  // after its constraints
  int line = 0;
  bool decides = false;  // its verdict is the decision's
};

struct Explanation {
  std::vector<ExplainedRule> rules;  // every matching rule of the best priority
  std::vector<ExplainedReason> reasons;
  int default_line = 0;  // of default_verdict
  Json json() const;
};

// `decision` is what evaluate said about the same arguments.
Explanation explained(const Policy& policy, const JudgedIntent& judged, const Evidence& evidence,
                      const Decision& decision, UtcTime now);

}  // namespace countersign::gate
