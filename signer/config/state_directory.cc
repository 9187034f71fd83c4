#include "signer/config/state_directory.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>

namespace countersign::config {

Status make_state(const Config& config) {
  std::error_code error;
  std::filesystem::create_directories(std::filesystem::path(config.state).parent_path(), error);
  if (mkdir(config.state.c_str(), 0700) != 0) {
    if (errno == EEXIST) return ok();
    return Error{ErrorCode::Unavailable, "cannot make " + config.state + ": " + std::strerror(errno)};
  }
  if (config.front_user && chown(config.state.c_str(), config.front_user->uid, config.front_user->gid) != 0) {
    return Error{ErrorCode::Unavailable, "cannot give " + config.state + " to the front: " + std::strerror(errno)};
  }
  return ok();
}

}  // namespace countersign::config
