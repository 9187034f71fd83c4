#include "signer/daemon/separation.h"

#include <algorithm>
#include <map>
#include <set>

#include "common/joined.h"

namespace countersign::daemon {
namespace {

void add_shared_token(const config::Config& config, const std::string& token, std::vector<Weakness>& found) {
  std::vector<std::string> users;
  for (const config::RoleConfig& role : config.roles) {
    if (role.token == token) users.emplace_back(keymgmt::name_of(role.role));
  }
  if (users.size() < 2) return;
  found.push_back({"reduced",
                   "the roles " + joined(users, ", ") + " share the token " + token +
                       ": one PIN opens the keys of all, and they stand and fall together",
                   "Give each role a token of its own."});
}

// Who runs what: the processes of each uid, a token's holders under the token's name.
std::map<std::uint32_t, std::set<std::string>> processes_by_uid(const config::Config& config,
                                                                const std::vector<HolderState>& holders,
                                                                std::uint32_t front_uid) {
  std::map<std::uint32_t, std::set<std::string>> found;
  found[front_uid].insert("the front");
  if (config.notifier_user) found[config.notifier_user->uid].insert("the notifier");
  for (const HolderState& holder : holders) {
    const Json* uid = holder.ready.find("uid");
    const bool known = uid != nullptr && uid->is_integer();
    const config::RoleConfig* role = config.role(holder.name.role);
    found[known ? static_cast<std::uint32_t>(uid->as_integer()) : front_uid].insert(
        "token " + (role == nullptr ? std::string(keymgmt::name_of(holder.name.role)) : role->token));
  }
  return found;
}

constexpr const char* kGiveUsers =
    "Give each process a user of its own: users.front, users.notifier, tokens.NAME.user (docs/operations.md).";

void add_shared_users(const std::map<std::uint32_t, std::set<std::string>>& processes, std::vector<Weakness>& found) {
  if (processes.size() == 1) {
    found.push_back({"one uid",
                     "the front and every holder run as uid " + std::to_string(processes.begin()->first) +
                         ": file permissions keep none of them from another's PIN and token",
                     kGiveUsers});
    return;
  }
  for (const auto& [uid, names] : processes) {
    if (names.size() < 2) continue;
    found.push_back({"shared uid",
                     joined(std::vector<std::string>(names.begin(), names.end()), ", ") + " run as uid " +
                         std::to_string(uid) + ": file permissions keep none of them from another's files",
                     kGiveUsers});
  }
}

}  // namespace

std::vector<Weakness> weaknesses(const config::Config& config, const std::vector<HolderState>& holders,
                                 std::uint32_t front_uid) {
  std::vector<Weakness> found;
  for (const config::TokenConfig& token : config.tokens) add_shared_token(config, token.name, found);
  add_shared_users(processes_by_uid(config, holders, front_uid), found);
  return found;
}

std::string separation(const std::vector<Weakness>& weaknesses) {
  std::vector<std::string> names;
  for (const Weakness& each : weaknesses) {
    if (std::find(names.begin(), names.end(), each.name) == names.end()) names.push_back(each.name);
  }
  return names.empty() ? "full" : joined(names, ", ");
}

}  // namespace countersign::daemon
