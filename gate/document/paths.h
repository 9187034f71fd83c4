// Paths as gait compares them: lexically, never on a file system.
#pragma once

#include <string>
#include <string_view>

namespace countersign::gate {

// Go's path.Clean: no empty, "." or inner ".." segments; "" becomes ".".
std::string cleaned_path(std::string_view path);

// Go's path.Match: `*` and `?` do not cross '/', `[a-z]`, `[^…]`, backslash escapes. False where malformed.
bool matches_shell_pattern(std::string_view pattern, std::string_view name);

// Equal; below `prefix` for "prefix/**"; or a shell pattern (gait-formats §7.2.2). No cleaning.
bool matches_path_pattern(std::string_view pattern, std::string_view path);

// Equal; any name ending ".x" for "*.x"; or a shell pattern.
bool matches_domain_pattern(std::string_view pattern, std::string_view domain);

// The same path, or one below it. Both cleaned.
bool is_within(std::string_view path, std::string_view root);

}  // namespace countersign::gate
