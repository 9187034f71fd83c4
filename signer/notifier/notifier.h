// The notifier: the only process that runs operators' commands or uses the network. It gets events from the front and
// delivers each to every target of `security_owner.notify`.
#pragma once

#include "signer/config/config.h"

namespace countersign::notifier {

// Reads Notify frames (JSON events) from `frames` and answers each with Notified {"ok","detail"}: ok once every target
// has it, else the detail names each that has not. A retry of the same event goes to those alone. Targets are served
// side by side, so that one that hangs delays no other. Ends when either socket does. Gives the exit status: 0 at such
// an end, 6 where a mandatory protection is missing, 1 on frames that none of ours writes.
int run_notifier(int control, int frames, const config::Config& config);

}  // namespace countersign::notifier
