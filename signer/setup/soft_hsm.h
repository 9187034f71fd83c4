// The files around a SoftHSM token: its configuration, its token directory and its PINs.
#pragma once

#include <string>

#include "signer/config/config.h"

namespace countersign::setup {

// By the module's file name; the holder checks again what the module says of itself.
bool is_soft_hsm(const config::TokenConfig& token);

// Makes softhsm2.conf where SOFTHSM2_CONF points, and its token directory beside it, when there is none. Fails with
// Invalid where the token's environment names no SOFTHSM2_CONF.
Status make_soft_hsm_place(const config::TokenConfig& token);

// Whether the token directory holds anything.
bool has_tokens(const config::TokenConfig& token);

// Makes a file with a random PIN, 0400, when there is none.
Status make_pin_file(const std::string& path);

// Where the security officer's PIN is kept, since only SoftHSM tokens for trying out have one that a program made.
std::string so_pin_file(const config::Config& config, const config::TokenConfig& token);

}  // namespace countersign::setup
