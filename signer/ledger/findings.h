// What can be wrong with a ledger, and what its operator does about it.
#pragma once

#include <string>
#include <utility>

#include "common/result.h"

namespace countersign::ledger {

inline constexpr const char* kRestoreHint =
    "Keep the files as they are for the investigation, restore the newest backup with `countersign ledger restore`, "
    "and "
    "compare it with the anchors and witnesses.";

// While this file is there, damage was found in the ledger beside it, and the next open() checks everything.
inline std::string suspect_mark(const std::string& ledger) {
  return ledger + ".suspect";
}

inline Error truncated(std::string detail) {
  return Error{ErrorCode::Refused, std::move(detail), "ledger_truncated", kRestoreHint};
}
inline Error forked(std::string detail) {
  return Error{ErrorCode::Refused, std::move(detail), "ledger_forked", kRestoreHint};
}
inline Error corrupt(std::string detail) {
  return Error{ErrorCode::Refused, std::move(detail), "ledger_corrupt", kRestoreHint};
}
inline Error rolled_back(std::string detail) {
  return Error{ErrorCode::Refused, std::move(detail), "ledger_rolled_back",
               "An older copy of the ledger is in place. Put the newest one back, or restore by "
               "`countersign ledger restore`, which makes tokens minted before the restore invalid."};
}

}  // namespace countersign::ledger
