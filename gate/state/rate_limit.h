// How often something was asked for in the current minute or hour: the state behind a rule's rate_limit and
// destructive_budget (reference: gait-formats §14). Buckets are fixed, in UTC.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "common/clock.h"
#include "common/json.h"
#include "common/result.h"
#include "gate/policy/policy.h"

namespace countersign::gate {

// The answer's members of one limit: rate_limit_scope, _key, _used, _remaining and those of destructive_budget.
struct RateUse {
  std::string scope;
  std::string key;
  std::int64_t used = 0;
  std::int64_t remaining = 0;
  bool exceeded = false;  // and not counted
};

class RateState {
 public:
  // An empty text is no state: a missing file is `RateState()`. Fails with Invalid on anything that is no such file, on
  // a counter below zero and on one that stands twice, since any of them may hide what was spent.
  static Result<RateState> parse(std::string_view text);

  // Counts one request under `rule`, unless that exceeds it. Precondition: rule.requests > 0.
  RateUse spend(const RateRule& rule, std::string_view tool_name, std::string_view identity, UtcTime now);
  // The same of a destructive budget, which counts beside the rate limit of the same tool.
  RateUse spend_budget(const RateRule& rule, std::string_view tool_name, std::string_view identity, UtcTime now);

  // gait's file, without the buckets that began more than a day before `now`.
  Json document(UtcTime now) const;

 private:
  std::map<std::string, std::int64_t, std::less<>> counters_;
};

}  // namespace countersign::gate
