#include "command/broker/service/counted_approvals.h"

#include <algorithm>

#include "common/text.h"

namespace countersign::command {

bool has_approved(const std::vector<Json>& tokens, const Json& token) {
  const Result<std::string> who = identity_key(token.text("approver_identity"));
  return who && std::ranges::any_of(tokens, [&](const Json& other) {
           const Result<std::string> before = identity_key(other.text("approver_identity"));
           return before && *before == *who;
         });
}

std::int64_t valid_approvals(const Json& decision) {
  const Json* valid = decision.find("valid_approvals");
  return valid != nullptr && valid->is_integer() ? valid->as_integer() : 0;
}

}  // namespace countersign::command
