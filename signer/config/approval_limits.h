// What an approver may grant, and for how long: the front refuses early by these two rules, the approval holder refuses
// by them again.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "signer/config/config.h"
#include "signer/statement/statement.h"

namespace countersign::config {

// Before a word that an entry of the roster may delegate.
inline constexpr std::string_view kDelegateScope = "delegate:";

// Before a tool whose scripts an approver may approve ahead of time.
inline constexpr std::string_view kScriptScope = "script:";

// `scope` is one of the approver's, or the approver has "tool:*" and it is a tool's.
bool may_grant(const ApproverConfig& approver, std::string_view scope);

// How a person on the roster proves who they are, as the ledger keeps it of each approval: the fingerprint of their SSH
// key ("SHA256:…"), or "uid:1000" of a unix user.
std::string ssh_credential(const ApproverConfig& approver);  // empty where the roster has no key that can be read
std::string unix_credential(std::uint32_t uid);
// Whether they still prove it that way.
bool has_credential(const ApproverConfig& approver, std::string_view credential);

// The first word of the delegation's scope and scope class that `delegator` may not pass on: the roster has to say
// "delegate:<word>" of each, and no wildcard stands for it.
std::optional<std::string> refused_word(const ApproverConfig& delegator,
                                        const statement::DelegationTokenFields& delegation);

// The first tool of the script whose scripts `approver` may not approve: the roster has to say "script:<tool>" of each,
// and no wildcard stands for it.
std::optional<std::string> refused_tool(const ApproverConfig& approver, const statement::ApprovedScriptFields& script);

// The least of approvals.max_ttl, the approver's max_ttl and the max_ttl of every high-risk scope in `scopes`;
// destructive:apply is one even where the list does not say so, with 30 minutes.
std::chrono::nanoseconds longest_ttl(const ApprovalsConfig& approvals, const ApproverConfig& approver,
                                     const std::vector<std::string>& scopes);

}  // namespace countersign::config
