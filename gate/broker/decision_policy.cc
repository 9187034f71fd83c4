#include "gate/broker/decision_policy.h"

namespace countersign::broker {
namespace {

// Precondition of both: the tool passed check_tool_id() and the rule's name is ours, so nothing in them ends a scalar.
std::string policy(std::string_view tool, std::string_view rule, std::string_view more) {
  return "schema_id: gait.gate.policy\nschema_version: 1.0.0\ndefault_verdict: block\nrules:\n  - name: " +
         std::string(rule) + "\n    priority: 1\n" + std::string(more) + "    match:\n      tool_names: [\"" +
         std::string(tool) + "\"]\n";
}

}  // namespace

std::string allowing_policy(std::string_view tool, std::string_view rule) {
  return policy(tool, rule, "    effect: allow\n");
}

std::string asking_policy(std::string_view tool, int approvals) {
  return policy(tool, "broker-unlisted",
                "    effect: require_approval\n    min_approvals: " + std::to_string(approvals) +
                    "\n    require_distinct_approvers: true\n");
}

}  // namespace countersign::broker
