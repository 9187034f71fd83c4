// Whom a process runs as.
#pragma once

#include <sys/types.h>

#include <string>
#include <string_view>
#include <vector>

#include "common/result.h"

namespace countersign::process {

struct ProcessUser {
  std::string name;  // as it was given
  uid_t uid = 0;
  gid_t gid = 0;
  std::vector<gid_t> groups;  // the user's supplementary groups, `gid` among them
};

// A user of this system by name; or a decimal uid, which is then its gid and only group as well. Fails with Invalid for
// a name that this system does not know, and for root: what runs as root is separated from nothing.
Result<ProcessUser> process_user(const std::string& name);

}  // namespace countersign::process
