// Why holders are not up, as the supervisor last said: what `status` and readiness tell of a role that does not sign.
#pragma once

#include <map>
#include <string>
#include <utility>

#include "common/json.h"
#include "signer/daemon/holder_pool.h"

namespace countersign::daemon {

struct HolderTrouble {
  std::string cause;
  std::string message;
  std::string hint;
  bool retryable = false;

  // "pin_refused: the PIN was refused; it stays down"
  std::string text() const;
};

class HolderTroubles {
 public:
  using Place = std::pair<keymgmt::Role, int>;  // role and index

  // A {"event":"holder_down",…} of the supervisor.
  void note(const HolderName& name, const Json& holder_down);
  void clear(const HolderName& name) { troubles_.erase({name.role, name.index}); }

  // The first of the role; null where none of its holders is in trouble.
  const HolderTrouble* of(keymgmt::Role role) const;
  const std::map<Place, HolderTrouble>& all() const { return troubles_; }

 private:
  std::map<Place, HolderTrouble> troubles_;
};

}  // namespace countersign::daemon
