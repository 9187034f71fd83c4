// The gate policy that says of one tool what the broker's lists say, so that the gate judges, signs and redeems.
#pragma once

#include <string>
#include <string_view>

namespace countersign::broker {

// YAML of schema gait.gate.policy 1.0.0. The tool may be called; `rule` stands in the trace.
std::string allowing_policy(std::string_view tool, std::string_view rule);
// So many distinct people have to approve.
std::string asking_policy(std::string_view tool, int approvals);

}  // namespace countersign::broker
