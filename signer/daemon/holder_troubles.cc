#include "signer/daemon/holder_troubles.h"

namespace countersign::daemon {

std::string HolderTrouble::text() const {
  return cause + (message.empty() ? "" : ": " + message) + (retryable ? "; it is started again" : "; it stays down");
}

void HolderTroubles::note(const HolderName& name, const Json& holder_down) {
  const Json* retryable = holder_down.find("retryable");
  troubles_.insert_or_assign(
      {name.role, name.index},
      HolderTrouble{std::string(holder_down.text("cause")), std::string(holder_down.text("message")),
                    std::string(holder_down.text("hint")),
                    retryable != nullptr && retryable->is_bool() && retryable->as_bool()});
}

const HolderTrouble* HolderTroubles::of(keymgmt::Role role) const {
  const auto first = troubles_.lower_bound({role, 0});
  return first != troubles_.end() && first->first.first == role ? &first->second : nullptr;
}

}  // namespace countersign::daemon
