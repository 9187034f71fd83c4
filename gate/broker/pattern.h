// Names of tools ("server:tool") and the patterns that agents' lists are written in.
#pragma once

#include <string_view>

#include "common/result.h"

namespace countersign::broker {

inline constexpr std::size_t kLongestName = 200;

// Letters, digits and "._/@:-", at most 200 of them, no "..": nothing that looks like another name, leads out of a
// folder or ends a line. Fails with Invalid, reason "bad_tool_id".
Status check_tool_id(std::string_view tool);

// The same, and '*', which stands for any run of characters, none included. Fails with Invalid, reason "bad_pattern".
Status check_pattern(std::string_view pattern);

// Whether the whole of `name` is of the pattern; in time linear in both for patterns of one star, and never more than
// their product.
bool matches(std::string_view pattern, std::string_view name);

// What stands before the first ':'; the whole name where there is none.
std::string_view server_of(std::string_view tool);
// What stands behind it; empty where there is none.
std::string_view name_of(std::string_view tool);

}  // namespace countersign::broker
