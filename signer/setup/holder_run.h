// One run of `countersign-holder init` or `probe`, to its end.
#pragma once

#include <string>

#include "keymgmt/rotation.h"
#include "signer/channel/holder_setup.h"
#include "signer/config/config.h"

namespace countersign::setup {

// What the roles of `config` on this token need: a key to sign with and one to stand by, beside those of `known` that
// will never sign again.
channel::SetupRequest setup_request(const config::Config& config, const config::TokenConfig& token,
                                    const keymgmt::Keys& known);

// `pin` and `so_pin` are read by the holder and closed here; -1 for none. Fails as the holder does, its error passed
// on; with Unavailable where it cannot be started or says nothing that reads. It is never killed, however long it
// takes: an end at the wrong moment costs SoftHSM its token.
Result<channel::SetupAnswer> run_holder(const std::string& holder, const std::string& command,
                                        const config::TokenConfig& token, const channel::SetupRequest& request, int pin,
                                        int so_pin);

}  // namespace countersign::setup
