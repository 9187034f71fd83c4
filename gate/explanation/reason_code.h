// Every reason code of the gate and the signer (reference: gait-formats §7, §8): what it is about, what was looked at,
// and what would change it. A code without a row is a word of a policy's own (`reason_codes` of a rule).
#pragma once

#include <span>
#include <string_view>

namespace countersign::gate {

struct ReasonCode {
  std::string_view prefix;  // of the codes that the row is about; a whole code, mostly
  // Of the rule that gave it, or of the policy: "endpoint.path_allowlist". Empty where the policy says nothing.
  std::string_view member;
  // Judged after the rules: the policy demands it through the rules that decided.
  bool after_rules;
  std::string_view evidence;
  std::string_view would_change;
};

std::span<const ReasonCode> reason_codes();

// The first row whose prefix `code` begins with; null for a policy's own word.
const ReasonCode* reason_code(std::string_view code);

}  // namespace countersign::gate
