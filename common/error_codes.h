// The whole table of error codes, for those who print it; result.h, which everything includes, looks up single rows.
#pragma once

#include <span>

#include "common/result.h"

namespace countersign {

std::span<const ErrorCodeRow> error_codes();

}  // namespace countersign
