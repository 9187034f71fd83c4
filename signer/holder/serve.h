// countersign-holder serve: one role on one token, until its supervisor or front goes away.
#pragma once

#include "signer/channel/holder_exit.h"

namespace countersign::holder {

// Descriptors as the supervisor passes them: control (SOCK_SEQPACKET), frames (SOCK_STREAM to the front), the user PIN
// (read once). The first message on control is config::HolderSettings. Says {"event":"ready"|"failed"|"lost",…} there
// and one line on stderr for every end but a quiet one.
channel::HolderExit serve(int control, int frames, int pin);

}  // namespace countersign::holder
