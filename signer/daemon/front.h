// The front: the process that listens. It knows who asks, what they may ask, what the ledger says, and which holder
// signs; it has no key, no PIN and no PKCS#11.
#pragma once

#include "signer/config/config.h"

namespace countersign::daemon {

// Runs until the supervisor says stop or closes `control_descriptor` (owned, SOCK_SEQPACKET; channel/control.h has the
// messages). Listens once every configured role has a holder and the ledger, its anchors, the clock and the published
// keys agree; until then `config`'s sockets refuse connections. Gives the process's exit status:
//   0 stopped · 6 configuration unusable here · 7 the ledger or a socket is unavailable · 3 the ledger, an anchor or a
//   key is not what it should be (one line on stderr says what and what to do; starting again will not help) ·
//   1 internal.
int run_front(int control_descriptor, const config::Config& config);

}  // namespace countersign::daemon
