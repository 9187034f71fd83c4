#include "signer/config/role_marks.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>

#include "common/durable_file.h"

namespace countersign::config {
namespace {

std::string mark(const std::string& state, std::string_view folder, keymgmt::Role role) {
  return state + "/" + std::string(folder) + "/" + std::string(keymgmt::name_of(role));
}

// What cannot be looked at counts as there.
bool is_there(const std::string& path) {
  struct stat facts {};
  return lstat(path.c_str(), &facts) == 0 || errno != ENOENT;
}

Error failed(const std::string& act, const std::string& path) {
  return Error{ErrorCode::Unavailable, "cannot " + act + " " + path + ": " + std::strerror(errno)};
}

}  // namespace

std::string halt_mark(const std::string& state, keymgmt::Role role) {
  return mark(state, "halted", role);
}

bool is_halted(const std::string& state, keymgmt::Role role) {
  return is_there(halt_mark(state, role));
}

std::string standby_mark(const std::string& state, keymgmt::Role role) {
  return mark(state, "on-standby", role);
}

std::string serving_token(const Config& config, keymgmt::Role role) {
  const RoleConfig& of_role = *config.role(role);
  const bool moved = !of_role.standby_token.empty() && is_there(standby_mark(config.state, role));
  return moved ? of_role.standby_token : of_role.token;
}

Status set_mark(const std::string& path, bool wanted, const std::string& text) {
  if (is_there(path) == wanted) return ok();
  const std::string folder = std::filesystem::path(path).parent_path().string();
  if (wanted) {
    if (mkdir(folder.c_str(), 0700) != 0 && errno != EEXIST) return failed("make", folder);
    RETURN_IF_ERROR(sync_directory(std::filesystem::path(folder).parent_path().string()));
    return write_durable(path, text, 0600);
  }
  if (unlink(path.c_str()) != 0) return failed("remove", path);
  return sync_directory(folder);
}

}  // namespace countersign::config
