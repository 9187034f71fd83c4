// How far one broken part of the appliance reaches. Each weakness is told by itself: none hides another.
#pragma once

#include <string>
#include <vector>

#include "signer/config/config.h"
#include "signer/daemon/holder_pool.h"

namespace countersign::daemon {

struct Weakness {
  // "reduced": roles share a token; "one uid": all processes run as one user; "shared uid": some of them do.
  std::string name;
  std::string reason;
  std::string fix;
};

// `front_uid` is that of this process; a holder says its own in READY, and one that does not is no other user.
std::vector<Weakness> weaknesses(const config::Config& config, const std::vector<HolderState>& holders,
                                 std::uint32_t front_uid);

// "full", or the names: "one uid", "reduced", "reduced, one uid", "shared uid".
std::string separation(const std::vector<Weakness>& weaknesses);

}  // namespace countersign::daemon
