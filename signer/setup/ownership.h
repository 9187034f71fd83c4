// Whose the files are that a setup made as root, where the processes have users of their own (`users`,
// `tokens.NAME.user`). Nothing is changed where they have not.
#pragma once

#include "common/result.h"
#include "signer/config/config.h"

namespace countersign::setup {

// SoftHSM's token directory, the folder around it, where the holder's guard keeps its lock and its copy, and the
// module's configuration; before the holder is run. The PIN stays root's: the holder gets it as a descriptor. Fails
// with Unavailable.
Status give_token_place(const config::TokenConfig& token, const std::string& module_configuration,
                        const std::string& directory);

// What the front and the notifier write: state, publication, log, sockets' folders, notices. SO PINs and the trial's
// custodians stay root's. Fails with Unavailable.
Status give_to_users(const config::Config& config);

}  // namespace countersign::setup
