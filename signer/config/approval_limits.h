// What an approver may grant, and for how long: the front refuses early by these two rules, the approval holder refuses
// by them again.
#pragma once

#include <chrono>
#include <string>
#include <string_view>
#include <vector>

#include "signer/config/config.h"

namespace countersign::config {

// `scope` is one of the approver's, or the approver has "tool:*" and it is a tool's.
bool may_grant(const ApproverConfig& approver, std::string_view scope);

// The least of approvals.max_ttl, the approver's max_ttl and the max_ttl of every high-risk scope in `scopes`;
// destructive:apply is one even where the list does not say so, with 30 minutes.
std::chrono::nanoseconds longest_ttl(const ApprovalsConfig& approvals, const ApproverConfig& approver,
                                     const std::vector<std::string>& scopes);

}  // namespace countersign::config
