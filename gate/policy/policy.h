// A gate policy: the YAML that says what is allowed, and the digest under which people approve it (reference:
// gait-formats §6). Sets are trimmed, lower-cased where the grammar says so, sorted and without repetitions.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/digest.h"
#include "common/json.h"
#include "common/result.h"
#include "signer/statement/statement.h"

namespace countersign::gate {

using statement::Verdict;
using Texts = std::vector<std::string>;

struct ToolAnnotations {
  std::optional<bool> read_only;
  std::optional<bool> destructive;
  std::optional<bool> idempotent;
  std::optional<bool> open_world;
  bool any() const { return read_only || destructive || idempotent || open_world; }
};

struct Match {
  Texts tool_names;
  Texts risk_classes;
  Texts target_kinds;
  Texts target_values;
  Texts endpoint_classes;
  Texts discovery_methods;
  ToolAnnotations tool_annotations;
  Texts skill_publishers;
  Texts skill_sources;
  Texts data_classes;
  Texts destination_kinds;
  Texts destination_values;
  Texts destination_operations;
  Texts provenance_sources;
  Texts identities;
  Texts workspace_prefixes;
  Texts context_tool_names;
  Texts context_data_classes;
  Texts context_endpoint_classes;
  Texts context_autonomy_levels;
  bool require_delegation = false;
  Texts allowed_delegator_identities;
  Texts allowed_delegate_identities;
  Texts delegation_scopes;
  std::optional<std::int64_t> max_delegation_depth;
};

struct EndpointRule {
  Texts path_allowlist;
  Texts path_denylist;
  Texts domain_allowlist;
  Texts domain_denylist;
  Texts egress_classes;
  Verdict action = Verdict::Block;
  std::optional<Verdict> destructive_action;
  std::string reason_code;
  std::string violation;
};

struct DataflowRule {
  Texts tainted_sources;
  Texts destination_kinds;
  Texts destination_values;
  Texts destination_operations;
  Verdict action = Verdict::RequireApproval;
  std::string reason_code;
  std::string violation;
};

struct FreezeWindow {
  std::string name;
  std::string start;  // YYYY-MM-DDThh:mm:ss in the rule's time zone
  std::string end;
};

struct FreezeRule {
  std::string timezone;  // IANA name
  Verdict effect = Verdict::Block;
  std::string reason;
  Texts environments;
  Texts risk_classes;
  std::vector<FreezeWindow> windows;
};

struct SandboxRule {
  Texts allowed_network_modes;
  Texts allowed_writable_path_prefixes;
  Texts required_read_only_roots;
  Texts allowed_env_exposure_modes;
  std::int64_t max_timeout_seconds = 0;  // 0: no limit
  Texts allowed_filesystem_isolations;
  Texts allowed_user_modes;
};

struct RateRule {
  std::int64_t requests = 0;
  std::string window;  // "minute" or "hour"
  std::string scope;   // "tool", "identity" or "tool_identity"
};

// Where a policy's text says something: the line (1-based) on which a member's value begins. Not hashed.
struct SourceLines {
  int first = 0;                                     // of the whole; 0 where the text says nothing
  std::vector<std::pair<std::string, int>> members;  // "effect", "match.tool_names"
  // Of the member, of the longest part of its path that is there, else `first`.
  int of(std::string_view member) const;
};

struct Rule {
  SourceLines lines;
  std::string name;
  std::int64_t priority = 0;  // smaller comes first
  Verdict effect = Verdict::Block;
  Match match;
  std::optional<EndpointRule> endpoint;
  std::optional<DataflowRule> dataflow;
  Texts reason_codes;
  Texts violations;
  std::int64_t min_approvals = 0;
  bool require_distinct_approvers = false;
  bool require_context_evidence = false;
  bool context_mode_required = false;
  std::int64_t max_context_age_seconds = 0;  // 0: no limit
  bool require_broker_credential = false;
  std::string broker_reference;
  Texts broker_scopes;
  bool require_declared_agent = false;
  Texts allowed_agent_ids;
  Texts denied_agent_ids;
  std::string required_agent_manifest_digest;
  Texts allowed_agent_manifest_publishers;
  Texts allowed_agent_manifest_sources;
  Texts required_agent_lifecycle_states;
  bool require_agent_owner = false;
  bool require_unexpired_agent = false;
  bool block_standing_credentials = false;
  Texts allowed_credential_sources;
  Texts allowed_credential_issuers;
  Texts allowed_credential_access_types;
  std::int64_t max_credential_ttl_seconds = 0;
  bool require_jit_credential = false;
  std::optional<FreezeRule> freeze_window;
  std::optional<SandboxRule> sandbox;
  std::optional<RateRule> rate_limit;
  std::optional<RateRule> destructive_budget;

  bool demands_context() const {
    return require_context_evidence || context_mode_required || max_context_age_seconds > 0;
  }
};

struct FailClosed {
  bool enabled = false;
  Texts risk_classes;
  Texts required_fields;
  Texts required_high_risk_fields;
};

struct ScriptRules {
  std::int64_t max_steps = 0;               // 0: 64
  std::int64_t require_approval_above = 0;  // 0: off
  bool block_mixed_risk = false;
};

// Only hashed: gate evaluation does not use it.
struct McpTrust {
  bool enabled = false;
  std::string snapshot;
  Verdict action = Verdict::Block;
  Texts required_risk_classes;
  double min_score = 0;
  std::chrono::nanoseconds max_age{};
  Texts publisher_allowlist;
  bool require_registry = false;
};

// A checked policy: only parse makes one.
class Policy {
 public:
  // Strict YAML as gait reads it (gait-formats §6.1). Fails with Invalid (exit 6) with gait's text in kind
  // ("parse policy yaml: [2:1] unknown field "bogus""), reason "legacy_policy" for a policy of the older grammar.
  static Result<Policy> parse(std::string_view yaml);

  const std::string& schema_id() const { return schema_id_; }
  const std::string& schema_version() const { return schema_version_; }
  Verdict default_verdict() const { return default_verdict_; }
  const FailClosed& fail_closed() const { return fail_closed_; }
  const ScriptRules& scripts() const { return scripts_; }
  const std::optional<McpTrust>& mcp_trust() const { return mcp_trust_; }
  const SourceLines& lines() const { return lines_; }  // of the members beside rules
  // By priority, then name.
  const std::vector<Rule>& rules() const { return rules_; }
  // Whether any rule, or fail_closed, asks for context evidence.
  bool demands_context() const;

  // The JSON whose JCS SHA-256 is the policy digest (gait-formats §6.3).
  Json digest_form() const;
  Digest policy_digest() const { return digest_form().digest(); }

 private:
  Policy() = default;
  friend class PolicyReader;
  std::string schema_id_;
  std::string schema_version_;
  Verdict default_verdict_ = Verdict::RequireApproval;
  FailClosed fail_closed_;
  ScriptRules scripts_;
  std::optional<McpTrust> mcp_trust_;
  std::vector<Rule> rules_;
  SourceLines lines_;
};

// The `migration` object that gait adds to the error (reason "legacy_policy") of the policy `yaml`.
Json legacy_policy_migration(std::string_view yaml);

}  // namespace countersign::gate
