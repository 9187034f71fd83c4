#include "signer/setup/ownership.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>

#include "signer/setup/state_directory.h"

namespace countersign::setup {
namespace {

using process::ProcessUser;

// In the state directory, and of no use to a running appliance.
constexpr std::array<std::string_view, 2> kStayRoots = {"so-pins", "trial-custodians"};

Status give(const std::string& path, const ProcessUser& user) {
  if (lchown(path.c_str(), user.uid, user.gid) == 0) return ok();
  return Error{ErrorCode::Unavailable, "cannot give " + path + " to " + user.name + ": " + std::strerror(errno)};
}

// No link is followed.
Status give_tree(const std::string& path, const ProcessUser& user) {
  if (path.empty() || !is_there(path)) return ok();
  RETURN_IF_ERROR(give(path, user));
  std::error_code error;
  for (std::filesystem::recursive_directory_iterator entry(path, error), end; !error && entry != end;
       entry.increment(error)) {
    if (entry.depth() == 0 &&
        std::find(kStayRoots.begin(), kStayRoots.end(), entry->path().filename().string()) != kStayRoots.end()) {
      entry.disable_recursion_pending();
      continue;
    }
    RETURN_IF_ERROR(give(entry->path().string(), user));
  }
  if (!error) return ok();
  return Error{ErrorCode::Unavailable, "cannot look through " + path + ": " + error.message()};
}

// One that is there already may be anybody's, as /run is; that it suits is for the one who chose it.
Status make_folder_of(const std::string& file, const ProcessUser& user) {
  const std::string folder = std::filesystem::path(file).parent_path().string();
  if (is_there(folder)) return ok();
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  return give(folder, user);
}

Status make_notice_file(const std::string& path, const ProcessUser& user) {
  const int file = open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
  if (file < 0) return Error{ErrorCode::Unavailable, "cannot make " + path + ": " + std::strerror(errno)};
  close(file);
  return give(path, user);
}

}  // namespace

Status give_token_place(const config::TokenConfig& token, const std::string& module_configuration,
                        const std::string& directory) {
  if (!token.user) return ok();
  RETURN_IF_ERROR(give(module_configuration, *token.user));
  RETURN_IF_ERROR(give(std::filesystem::path(directory).parent_path().string(), *token.user));
  return give_tree(directory, *token.user);
}

Status give_to_users(const config::Config& config) {
  if (!config.has_users()) return ok();
  const ProcessUser& front = *config.front_user;
  for (const std::string& tree : {config.state, config.publication, config.log.directory}) {
    RETURN_IF_ERROR(give_tree(tree, front));
  }
  for (const std::string& socket : {config.sign_socket, config.admin_socket, config.public_socket}) {
    RETURN_IF_ERROR(make_folder_of(socket, front));
  }
  for (const config::NotifyConfig& target : config.security_owner) {
    if (target.kind != config::NotifyConfig::Kind::File) continue;
    RETURN_IF_ERROR(make_folder_of(target.target, *config.notifier_user));
    RETURN_IF_ERROR(make_notice_file(target.target, *config.notifier_user));
  }
  return ok();
}

}  // namespace countersign::setup
