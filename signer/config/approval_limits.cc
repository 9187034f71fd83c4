#include "signer/config/approval_limits.h"

#include <algorithm>

#include "signer/statement/approval_proof.h"

namespace countersign::config {

bool may_grant(const ApproverConfig& approver, std::string_view scope) {
  return std::any_of(approver.scopes.begin(), approver.scopes.end(), [scope](const std::string& granted) {
    return granted == scope || (granted == "tool:*" && scope.starts_with("tool:"));
  });
}

std::string ssh_credential(const ApproverConfig& approver) {
  const Result<std::string> fingerprint = statement::ssh_fingerprint(approver.ssh_key);
  return fingerprint ? *fingerprint : "";
}

std::string unix_credential(std::uint32_t uid) {
  return "uid:" + std::to_string(uid);
}

bool has_credential(const ApproverConfig& approver, std::string_view credential) {
  if (credential.empty()) return false;
  return credential == ssh_credential(approver) ||
         (approver.unix_uid && credential == unix_credential(*approver.unix_uid));
}

std::optional<std::string> refused_word(const ApproverConfig& delegator,
                                        const statement::DelegationTokenFields& delegation) {
  std::vector<std::string> words = delegation.scope;
  if (!delegation.scope_class.empty()) words.push_back(delegation.scope_class);
  for (const std::string& word : words) {
    const std::string scope = std::string(kDelegateScope) + word;
    if (std::find(delegator.scopes.begin(), delegator.scopes.end(), scope) == delegator.scopes.end()) return word;
  }
  return std::nullopt;
}

std::optional<std::string> refused_tool(const ApproverConfig& approver, const statement::ApprovedScriptFields& script) {
  for (const std::string& tool : script.tool_sequence) {
    const std::string scope = std::string(kScriptScope) + tool;
    if (std::find(approver.scopes.begin(), approver.scopes.end(), scope) == approver.scopes.end()) return tool;
  }
  return std::nullopt;
}

std::chrono::nanoseconds longest_ttl(const ApprovalsConfig& approvals, const ApproverConfig& approver,
                                     const std::vector<std::string>& scopes) {
  std::chrono::nanoseconds longest = approvals.max_ttl;
  if (approver.max_ttl) longest = std::min(longest, *approver.max_ttl);
  for (const std::string& scope : scopes) {
    if (scope == "destructive:apply") longest = std::min<std::chrono::nanoseconds>(longest, std::chrono::minutes(30));
    for (const HighRiskScope& high_risk : approvals.high_risk) {
      if (high_risk.scope == scope) longest = std::min(longest, high_risk.max_ttl);
    }
  }
  return longest;
}

}  // namespace countersign::config
