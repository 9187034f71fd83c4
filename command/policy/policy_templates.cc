#include "command/policy/policy_templates.h"

#include <algorithm>

namespace countersign::command {
namespace {

constexpr std::string_view kLowRisk =
    R"(# Reading and writing run; what destroys asks a person, and so does whatever no rule knows.
schema_id: gait.gate.policy
schema_version: 1.0.0
default_verdict: require_approval
rules:
  - name: ask-before-destroying
    priority: 10
    effect: require_approval
    match: {endpoint_classes: [fs.delete, proc.exec]}
    reason_codes: [destructive_needs_approval]
  - name: read-freely
    priority: 20
    effect: allow
    match: {endpoint_classes: [fs.read]}
  - name: write-at-low-risk
    priority: 20
    effect: allow
    match: {endpoint_classes: [fs.write], risk_classes: [low, medium]}
)";

constexpr std::string_view kMediumRisk =
    R"(# Reading runs; writing and the network ask a person; what destroys does not run.
schema_id: gait.gate.policy
schema_version: 1.0.0
default_verdict: require_approval
rules:
  - name: destroy-nothing
    priority: 10
    effect: block
    match: {endpoint_classes: [fs.delete, proc.exec]}
    reason_codes: [destructive_blocked]
  - name: ask-before-writing
    priority: 20
    effect: require_approval
    match: {endpoint_classes: [fs.write, net.http, net.dns]}
    reason_codes: [write_needs_approval]
  - name: read-at-low-risk
    priority: 30
    effect: allow
    match: {endpoint_classes: [fs.read], risk_classes: [low, medium]}
)";

constexpr std::string_view kHighRisk =
    R"(# Nothing runs that no rule names. Writing asks two people, with evidence of the context it was decided in.
schema_id: gait.gate.policy
schema_version: 1.0.0
default_verdict: block
fail_closed:
  enabled: true
  risk_classes: [high, critical]
  required_fields: [targets, arg_provenance]
rules:
  - name: destroy-nothing
    priority: 10
    effect: block
    match: {endpoint_classes: [fs.delete, proc.exec]}
    reason_codes: [destructive_blocked]
  - name: trust-no-tainted-destination
    priority: 20
    effect: require_approval
    min_approvals: 2
    require_distinct_approvers: true
    require_context_evidence: true
    match: {endpoint_classes: [fs.write, net.http]}
    dataflow: {tainted_sources: [external, tool_output], action: block}
    reason_codes: [write_needs_two_people]
  - name: ask-before-reading
    priority: 30
    effect: require_approval
    match: {endpoint_classes: [fs.read]}
    reason_codes: [read_needs_approval]
)";

constexpr PolicyTemplate kTemplates[] = {
    {"baseline-lowrisk", kLowRisk}, {"baseline-mediumrisk", kMediumRisk}, {"baseline-highrisk", kHighRisk}};

struct Alias {
  std::string_view name;
  std::string_view of;
};
constexpr Alias kAliases[] = {
    {"low", "baseline-lowrisk"},       {"baseline_low_risk", "baseline-lowrisk"},
    {"medium", "baseline-mediumrisk"}, {"baseline_medium_risk", "baseline-mediumrisk"},
    {"high", "baseline-highrisk"},     {"baseline_high_risk", "baseline-highrisk"},
};

}  // namespace

const PolicyTemplate* policy_template(std::string_view name) {
  const auto alias = std::ranges::find(kAliases, name, &Alias::name);
  if (alias != std::end(kAliases)) name = alias->of;
  const auto found = std::ranges::find(kTemplates, name, &PolicyTemplate::name);
  return found == std::end(kTemplates) ? nullptr : &*found;
}

std::string policy_template_names() {
  std::string out;
  for (const PolicyTemplate& each : kTemplates) out += (out.empty() ? "" : ", ") + std::string(each.name);
  return out;
}

}  // namespace countersign::command
