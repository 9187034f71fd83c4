// How a decision and an error look from outside: exit codes and the members around them that gait's commands share
// (reference: gait-formats §2.1, §2.2).
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "common/json.h"
#include "common/result.h"
#include "signer/statement/statement.h"

namespace countersign::gate {

// 0 allow and dry_run, 3 block, 4 require_approval.
int exit_code_of(statement::Verdict verdict);

// First 24 hex digits of SHA-256 over the trimmed arguments, argv[0] included, joined by U+001F.
std::string correlation_id(const std::vector<std::string>& argv);

// Adds error, error_code, error_category, retryable and hint for `exit_code` to an answer.
void add_error(Json& answer, int exit_code, std::string_view text);

// The exit code of an error of ours in gait's commands: row_of(code).exit_code.
int exit_code_of(const Error& error);

}  // namespace countersign::gate
