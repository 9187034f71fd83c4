// The start of a holder, in the order of docs/softhsm.md: lock, guard, initialise, find, log in, unlock; then its keys,
// read back and proven; then confinement.
#pragma once

#include <string>

#include "common/result.h"
#include "common/secret_bytes.h"
#include "pkcs11/module_profile.h"
#include "pkcs11/token_session.h"
#include "signer/config/holder_settings.h"
#include "signer/confinement/confinement.h"
#include "signer/holder/held_keys.h"

namespace countersign::holder {

struct StartedHolder {
  pkcs11::TokenSession session;
  HeldKeys keys;
  confinement::Report confinement;
};

// Where pkcs11/ finds the token that the settings name.
pkcs11::TokenPlace place_of(const config::TokenConfig& token, const std::string& locks);

// The profile in `text`, for keys to be made or used under a configuration that demands `trust`. Fails as
// pkcs11::accepted_profile does.
Result<pkcs11::ModuleProfile> profile_of(const std::string& text, const std::string& module, std::string_view trust);

// Block all signals before. Fails with the reasons that channel/holder_exit.h turns into exits.
Result<StartedHolder> start_holder(const config::HolderSettings& settings, SecretBytes pin);

// {"event":"ready","role","index","uid","keys":[…],"confinement":{…},"token":{…},"restored":[…]}; `uid` is this
// process's, `restored` names tokens that the guard brought back at this start.
Json ready_message(const config::HolderSettings& settings, const StartedHolder& started);

}  // namespace countersign::holder
