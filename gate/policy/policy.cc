#include "gate/policy/policy.h"

#include <algorithm>

#include "common/clock.h"
#include "common/text.h"
#include "gate/document/go_texts.h"
#include "gate/policy/policy_reader.h"
#include "gate/policy/policy_rules.h"

namespace countersign::gate {
namespace {

constexpr std::string_view kSchemaId = "gait.gate.policy";
constexpr std::string_view kSchemaVersion = "1.0.0";

const Texts& required_fields() {
  static const Texts kFields = {"targets", "arg_provenance", "endpoint_class", "delegation", "context_evidence"};
  return kFields;
}

const Texts& required_high_risk_fields() {
  static const Texts kFields = {"agent_id",
                                "agent_identity",
                                "run_id",
                                "workflow_id",
                                "repo",
                                "environment",
                                "credential_ref",
                                "credential_source",
                                "credential_access_type",
                                "credential_issuer",
                                "credential_ttl_seconds",
                                "approval_ref",
                                "wrkr_inventory_ref",
                                "agent_action_bom_ref"};
  return kFields;
}

Error refused(std::string field, std::string detail) {
  return Error{ErrorCode::Invalid, std::move(detail)}.at(std::move(field));
}

Result<std::string> fixed_text(const std::string& text, std::string_view only, const std::string& what) {
  if (!text.empty() && text != only) return refused(what, "unsupported policy " + what + ": " + text);
  return std::string(only);
}

Result<Verdict> default_verdict_of(const RawPolicy& raw) {
  const std::string verdict = lowered(trimmed(raw.default_verdict));
  const std::string action = lowered(trimmed(raw.default_action));
  if (!verdict.empty() && !action.empty() && verdict != action) {
    return refused("default_action", "default_action must match default_verdict when both are set");
  }
  const std::string& given = verdict.empty() ? action : verdict;
  if (given.empty()) return Verdict::RequireApproval;
  return verdict_of(given, verdict.empty() ? "default_action" : "default_verdict", "invalid default_verdict");
}

Result<FailClosed> checked_fail_closed(FailClosed closed) {
  closed.risk_classes = text_set(closed.risk_classes, true);
  if (closed.enabled && closed.risk_classes.empty()) closed.risk_classes = {"critical", "high"};
  ASSIGN_OR_RETURN(closed.required_fields,
                   known_set(closed.required_fields, required_fields(), "fail_closed.required_fields",
                             "unsupported fail_closed required_field"));
  ASSIGN_OR_RETURN(
      closed.required_high_risk_fields,
      known_set(closed.required_high_risk_fields, required_high_risk_fields(), "fail_closed.required_high_risk_fields",
                "unsupported fail_closed required_high_risk_field"));
  return closed;
}

Result<std::optional<McpTrust>> checked_mcp_trust(RawMcpTrust raw) {
  McpTrust& trust = raw.trust;
  trust.snapshot = std::string(trimmed(trust.snapshot));
  trust.required_risk_classes = text_set(trust.required_risk_classes, true);
  trust.publisher_allowlist = text_set(trust.publisher_allowlist, true);
  const std::string max_age(trimmed(raw.max_age));
  const bool given = trust.enabled || !trust.snapshot.empty() || !trimmed(raw.action).empty() ||
                     !trust.required_risk_classes.empty() || trust.min_score > 0 || !max_age.empty() ||
                     !trust.publisher_allowlist.empty() || trust.require_registry;
  if (!given) return std::optional<McpTrust>();
  if (trust.snapshot.empty())
    return refused("mcp_trust.snapshot", "mcp_trust.snapshot is required when mcp_trust is configured");
  if (const std::string action = lowered(trimmed(raw.action)); !action.empty()) {
    const std::optional<Verdict> verdict = statement::verdict_named(action);
    if (verdict != Verdict::Block && verdict != Verdict::RequireApproval) {
      return refused("mcp_trust.action", "unsupported mcp_trust.action \"" + action + "\"");
    }
    trust.action = *verdict;
  }
  if (trust.required_risk_classes.empty()) trust.required_risk_classes = {"critical", "high"};
  if (!(trust.min_score >= 0 && trust.min_score <= 1))
    return refused("mcp_trust.min_score", "mcp_trust.min_score must be between 0 and 1");
  if (!max_age.empty()) {
    const Result<std::chrono::nanoseconds> age = parse_duration(max_age);
    if (!age) return refused("mcp_trust.max_age", "parse mcp_trust.max_age: " + go_duration_complaint(max_age));
    if (age->count() <= 0) return refused("mcp_trust.max_age", "mcp_trust.max_age must be > 0");
    trust.max_age = *age;
  }
  trust.enabled = true;
  return std::optional<McpTrust>(std::move(trust));
}

}  // namespace

// Only this turns what was read into a Policy.
class PolicyReader {
 public:
  static Result<Policy> checked(RawPolicy raw) {
    Policy policy;
    ASSIGN_OR_RETURN(policy.schema_id_, fixed_text(raw.schema_id, kSchemaId, "schema_id"));
    ASSIGN_OR_RETURN(policy.schema_version_, fixed_text(raw.schema_version, kSchemaVersion, "schema_version"));
    ASSIGN_OR_RETURN(policy.default_verdict_, default_verdict_of(raw));
    policy.scripts_ = raw.scripts;
    if (raw.scripts.max_steps < 0) return refused("scripts.max_steps", "scripts.max_steps must be >= 0");
    if (raw.scripts.require_approval_above < 0)
      return refused("scripts.require_approval_above", "scripts.require_approval_above must be >= 0");
    ASSIGN_OR_RETURN(policy.fail_closed_, checked_fail_closed(std::move(raw.fail_closed)));
    ASSIGN_OR_RETURN(policy.mcp_trust_, checked_mcp_trust(std::move(raw.mcp_trust)));
    for (std::size_t i = 0; i < raw.rules.size(); ++i) {
      Result<Rule> rule = checked_rule(std::move(raw.rules[i]));
      if (!rule) return refused("rules[" + std::to_string(i) + "]." + rule.error().field, rule.error().detail);
      policy.rules_.push_back(*std::move(rule));
    }
    std::stable_sort(policy.rules_.begin(), policy.rules_.end(), [](const Rule& a, const Rule& b) {
      return a.priority != b.priority ? a.priority < b.priority : a.name < b.name;
    });
    policy.lines_ = std::move(raw.lines);
    return policy;
  }
};

int SourceLines::of(std::string_view member) const {
  while (!member.empty()) {
    const auto found =
        std::find_if(members.begin(), members.end(), [member](const auto& each) { return each.first == member; });
    if (found != members.end()) return found->second;
    const std::size_t dot = member.rfind('.');
    member = member.substr(0, dot == std::string_view::npos ? 0 : dot);
  }
  return first;
}

Result<Policy> Policy::parse(std::string_view yaml) {
  ASSIGN_OR_RETURN(RawPolicy raw, read_policy(yaml));
  return PolicyReader::checked(std::move(raw));
}

bool Policy::demands_context() const {
  const Texts& fields = fail_closed_.required_fields;
  const bool closed =
      fail_closed_.enabled && std::find(fields.begin(), fields.end(), "context_evidence") != fields.end();
  return closed || std::any_of(rules_.begin(), rules_.end(), [](const Rule& rule) { return rule.demands_context(); });
}

}  // namespace countersign::gate
