#include "gate/document/verdict.h"

#include "common/digest.h"
#include "common/text.h"

namespace countersign::gate {
namespace {

// gait-formats §2.2.
struct ErrorRow {
  int exit_code;
  std::string_view name;
  std::string_view hint;
};
constexpr std::string_view kOtherHint = "retry after checking local environment and logs";
constexpr ErrorRow kErrorRows[] = {
    {2, "verification_failed", "re-run verify after checking artifact integrity"},
    {3, "policy_blocked", "inspect reason_codes and adjust policy or intent"},
    {4, "approval_required", "provide a valid approval token and retry"},
    {5, "regress_failed", kOtherHint},
    {6, "invalid_input", "check command usage and input schema"},
    {7, "dependency_missing", "install or configure the missing dependency and retry"},
    {8, "unsafe_operation", kOtherHint},
};
constexpr ErrorRow kInternalRow{1, "internal_failure", kOtherHint};

const ErrorRow& row_of_exit(int exit_code) {
  for (const ErrorRow& row : kErrorRows) {
    if (row.exit_code == exit_code) return row;
  }
  return kInternalRow;
}

}  // namespace

int exit_code_of(statement::Verdict verdict) {
  switch (verdict) {
    case statement::Verdict::Allow:
    case statement::Verdict::DryRun:
      return 0;
    case statement::Verdict::RequireApproval:
      return 4;
    case statement::Verdict::Block:
      return 3;
  }
  return 3;
}

int exit_code_of(const Error& error) {
  return row_of(error.code).exit_code;
}

std::string correlation_id(const std::vector<std::string>& argv) {
  constexpr std::size_t kDigits = 24;
  std::string text;
  for (std::size_t i = 0; i < argv.size(); ++i) {
    if (i > 0) text += '\x1f';
    text += trimmed(argv[i]);
  }
  return sha256(text).hex().substr(0, kDigits);
}

void add_error(Json& answer, int exit_code, std::string_view text) {
  const ErrorRow& row = row_of_exit(exit_code);
  answer.set("error", Json(text));
  answer.set("error_code", Json(row.name));
  answer.set("error_category", Json(row.name));
  answer.set("retryable", Json(false));
  answer.set("hint", Json(row.hint));
}

}  // namespace countersign::gate
