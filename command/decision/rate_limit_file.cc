#include "command/decision/rate_limit_file.h"

#include <filesystem>

#include "command/line/input_file.h"

namespace countersign::command {
namespace fs = std::filesystem;

Result<gate::RateState> read_rate_limits(const std::string& path, const StateCheck& check) {
  std::error_code failure;
  const fs::file_status status = fs::symlink_status(path, failure);
  if (status.type() == fs::file_type::not_found) return gate::RateState();
  if (status.type() != fs::file_type::regular) {
    return Error{ErrorCode::Invalid, "read rate limit state: " + path + " is no regular file",
                 "rate_limit_state_invalid", "name the file itself, not a symbolic link to it"};
  }
  ASSIGN_OR_RETURN(const std::string text, read_input("rate limit state", path));
  if (check) {
    RETURN_IF_ERROR(check(path, text));
  }
  return gate::RateState::parse(text);
}

Status change_rate_limits(const std::string& path, UtcTime now, const RateLimitChange& change,
                          const LockPatience& patience) {
  ASSIGN_OR_RETURN(const LockFile lock, LockFile::take(path + ".lock", patience));
  ASSIGN_OR_RETURN(gate::RateState state, read_rate_limits(path, change.check));
  change.count(state);
  Json document = state.document(now);
  if (change.seal) {
    RETURN_IF_ERROR(change.seal(document));
  }
  return write_output(path, document.gait_file());
}

}  // namespace countersign::command
