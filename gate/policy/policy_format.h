// A policy as `policy fmt` writes it: every member of the grammar with its effective value, in the grammar's order, as
// gait does.
#pragma once

#include <string>
#include <string_view>

#include "common/result.h"

namespace countersign::gate {

// Fails as Policy::parse. The text has the same policy digest as `yaml`.
Result<std::string> formatted_policy(std::string_view yaml);

}  // namespace countersign::gate
