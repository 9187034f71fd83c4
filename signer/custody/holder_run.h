// One run of countersign-holder for set-up or a ceremony (init, measure, probe, custody), to its end.
#pragma once

#include <string>

#include "keymgmt/rotation.h"
#include "signer/channel/holder_setup.h"
#include "signer/config/config.h"

namespace countersign::custody {

// What the roles of `config` on this token need: a key to sign with and one to stand by, beside those of `known` that
// will never sign again. Without roles for a token that only has to be there.
channel::SetupRequest setup_request(const config::Config& config, const config::TokenConfig& token,
                                    const keymgmt::Keys& known);
// The module, the token and the profile that was measured of it (empty where there is none).
channel::SetupRequest bare_request(const config::Config& config, const config::TokenConfig& token);

// `pin` and `so_pin` are read by the holder and closed here; -1 for none. Fails as the holder does, its error passed
// on; with Unavailable where it cannot be started or says nothing that reads. It is never killed, however long it
// takes: an end at the wrong moment costs SoftHSM its token.
Result<Json> run_holder(const std::string& holder, const std::string& command, const config::TokenConfig& token,
                        const Json& request, int pin, int so_pin);
// The same for init and probe.
Result<channel::SetupAnswer> run_setup(const std::string& holder, const std::string& command,
                                       const config::TokenConfig& token, const channel::SetupRequest& request, int pin,
                                       int so_pin);

// Measures the token's module and keeps the profile where the configuration has it (profile_file). Gives the profile.
// `so_pin` -1: the token is there. Fails as run_holder and write_durable do.
Result<Json> measure_module(const std::string& holder, const config::Config& config, const config::TokenConfig& token,
                            bool pin_lockout, int pin, int so_pin);

}  // namespace countersign::custody
