// security_policy.json of the written workflow: whether tools outside the lists may be asked for at all, and which need
// no person.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/clock.h"
#include "common/json.h"
#include "common/result.h"

namespace countersign::broker {

struct AutoApproval {
  std::string pattern;
  std::optional<UtcTime> expires_at;
  std::optional<std::int64_t> max_uses;
};

struct SecurityPolicy {
  bool tool_approval_required = true;  // false: what is not listed fails at once; for development
  std::vector<AutoApproval> auto_approve;

  // {"tool_approval_required"?: bool, "auto_approve_patterns"?: ["read:*" | {"pattern","expires_at"?,"max_uses"?}]}.
  // Strict: a member that nothing is done about is an error. Fails with Invalid, naming the member.
  static Result<SecurityPolicy> read(const Json& document);

  // Whatever makes it weaker than it could be, for `broker serve` to say at start.
  std::vector<std::string> warnings() const;
};

// Whether a pattern still counts after `uses` calls.
bool is_over(const AutoApproval& approval, std::int64_t uses, UtcTime now);

}  // namespace countersign::broker
