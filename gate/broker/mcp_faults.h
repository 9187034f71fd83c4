// For the sources of McpSession alone.
#pragma once

#include <cstdint>
#include <string>

#include "common/result.h"

namespace countersign::broker {

inline constexpr std::int64_t kListLives = 60'000;  // milliseconds

// An error of JSON-RPC with this code.
inline Error fault(int code, std::string detail) {
  return Error{ErrorCode::Invalid, std::move(detail), std::to_string(code)};
}

}  // namespace countersign::broker
