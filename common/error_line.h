// An error as one line of a journal or a terminal.
#pragma once

#include <string>

#include "common/result.h"

namespace countersign {

// "reason: detail (hint)", without what is not set.
inline std::string line_of(const Error& error) {
  return (error.reason.empty() ? "" : error.reason + ": ") + error.detail +
         (error.hint.empty() ? "" : " (" + error.hint + ")");
}

}  // namespace countersign
