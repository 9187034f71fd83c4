// A policy that a caller names, and what is said of one that cannot be used.
#pragma once

#include <string>
#include <string_view>

#include "command/line/command.h"
#include "common/result.h"
#include "gate/policy/policy.h"

namespace countersign::command {

// Fails with Invalid (exit 6); reason "legacy_policy" for a policy of the older grammar.
Result<gate::Policy> read_policy(const std::string& path);

// Answers `error` in gait's shape and returns its exit code. For a policy of the older grammar the answer says how each
// of its members is written now.
int refuse_policy(Call& call, std::string_view words, const Error& error, const std::string& path);

}  // namespace countersign::command
