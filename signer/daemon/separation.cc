#include "signer/daemon/separation.h"

#include <algorithm>

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

bool runs_as_another(const HolderState& holder, std::uint32_t front_uid) {
  const Json* uid = holder.ready.find("uid");
  return uid != nullptr && uid->is_integer() && uid->as_integer() != std::int64_t{front_uid};
}

}  // namespace

std::vector<Weakness> weaknesses(const config::Config& config, const std::vector<HolderState>& holders,
                                 std::uint32_t front_uid) {
  std::vector<Weakness> found;
  for (const config::TokenConfig& token : config.tokens) add_shared_token(config, token.name, found);
  const bool other_user = std::any_of(holders.begin(), holders.end(), [front_uid](const HolderState& each) {
    return runs_as_another(each, front_uid);
  });
  if (!other_user) {
    found.push_back({"one uid",
                     "the front and every holder run as uid " + std::to_string(front_uid) +
                         ": file permissions keep none of them from another's PIN and token",
                     "This version starts every process as its own user; let that be a user that nothing else uses."});
  }
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
