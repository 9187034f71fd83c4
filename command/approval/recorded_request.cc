#include "command/approval/recorded_request.h"

#include <algorithm>

namespace countersign::command {

Result<RecordedRequest> RecordedRequest::fetch(client::SignerClient& signer, const Digest& intent,
                                               const Digest& policy) {
  ASSIGN_OR_RETURN(const std::optional<Json> decision, signer.decision(intent, policy));
  RecordedRequest request;
  const Json* approval = decision ? decision->find("approval") : nullptr;
  if (approval == nullptr) return request;
  const Json* seconds = approval->find("default_ttl_seconds");
  if (seconds != nullptr && seconds->is_integer() && seconds->as_integer() > 0) {
    request.default_ttl_ = std::chrono::seconds(seconds->as_integer());
  }
  const Json* scopes = approval->find("required_scopes");
  if (scopes == nullptr || !scopes->is_array()) return request;
  for (const Json& scope : scopes->as_array()) {
    if (scope.is_string()) request.required_scopes_.push_back(scope.as_string());
  }
  return request;
}

std::string RecordedRequest::missing_from(const std::vector<std::string>& scope) const {
  std::string missing;
  for (const std::string& required : required_scopes_) {
    if (std::ranges::find(scope, required) != scope.end()) continue;
    missing += (missing.empty() ? "" : ", ") + required;
  }
  return missing;
}

}  // namespace countersign::command
