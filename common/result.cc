#include "common/result.h"

#include <cstdlib>

#include "common/error_codes.h"

namespace countersign {
namespace {

constexpr ErrorCodeRow kErrorCodes[] = {
    {ErrorCode::Invalid, "invalid", 400, 6},
    {ErrorCode::Refused, "refused", 403, 3},
    {ErrorCode::NotFound, "not_found", 404, 5},
    {ErrorCode::Conflict, "conflict", 409, 3},
    {ErrorCode::TooLarge, "too_large", 413, 6},
    {ErrorCode::OverLimit, "over_limit", 429, 7},
    {ErrorCode::VerificationFailed, "verification_failed", 403, 2},
    {ErrorCode::ApprovalRequired, "approval_required", 403, 4},
    {ErrorCode::Unavailable, "unavailable", 503, 7},
    {ErrorCode::Internal, "internal", 500, 1},
};

}  // namespace

std::span<const ErrorCodeRow> error_codes() {
  return kErrorCodes;
}

const ErrorCodeRow& row_of(ErrorCode code) {
  for (const ErrorCodeRow& row : kErrorCodes) {
    if (row.code == code) return row;
  }
  std::abort();  // a value outside the enumeration: memory is not what it was
}

std::optional<ErrorCode> error_code_named(std::string_view name) {
  for (const ErrorCodeRow& row : kErrorCodes) {
    if (row.name == name) return row.code;
  }
  return std::nullopt;
}

}  // namespace countersign
