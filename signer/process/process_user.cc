#include "signer/process/process_user.h"

#include <grp.h>
#include <pwd.h>

#include <charconv>

namespace countersign::process {
namespace {

constexpr uid_t kNobodyCanBe = static_cast<uid_t>(-1);  // setresuid(2) takes it for "unchanged"

std::vector<gid_t> groups_of(const passwd& entry) {
  int count = 0;
  getgrouplist(entry.pw_name, entry.pw_gid, nullptr, &count);
  std::vector<gid_t> groups(static_cast<std::size_t>(count));
  getgrouplist(entry.pw_name, entry.pw_gid, groups.data(), &count);
  return groups;
}

}  // namespace

Result<ProcessUser> process_user(const std::string& name) {
  ProcessUser user;
  user.name = name;
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), user.uid);
  if (error == std::errc() && end == name.data() + name.size()) {
    user.gid = user.uid;
    user.groups = {user.gid};
  } else {
    const passwd* entry = getpwnam(name.c_str());
    if (entry == nullptr) {
      return Error{ErrorCode::Invalid, "names no user of this system: " + name, "", "adduser --system --group " + name};
    }
    user.uid = entry->pw_uid;
    user.gid = entry->pw_gid;
    user.groups = groups_of(*entry);
  }
  if (user.uid == 0 || user.uid == kNobodyCanBe) {
    return Error{ErrorCode::Invalid, "must be a user of its own, not " + name, "", "adduser --system --group"};
  }
  return user;
}

}  // namespace countersign::process
