// The policies that `policy init` writes: where to begin, by how much may go wrong.
#pragma once

#include <string>
#include <string_view>

namespace countersign::command {

struct PolicyTemplate {
  std::string_view name;  // "baseline-mediumrisk"
  std::string_view yaml;
};

// By gait's names and their short forms (high, baseline_high_risk); null where there is none of that name.
const PolicyTemplate* policy_template(std::string_view name);

// "baseline-lowrisk, baseline-mediumrisk, baseline-highrisk"
std::string policy_template_names();

}  // namespace countersign::command
