// What the state directory tells the supervisor, which opens no ledger, about a role: two files whose presence alone
// counts. The front writes them from the ledger, after the record that they follow from, and puts them right at each
// start.
#pragma once

#include <string>

#include "common/result.h"
#include "signer/config/config.h"

namespace countersign::config {

// `<state>/halted/<role>`: no holder of the role is started. One that cannot be looked at counts as there.
std::string halt_mark(const std::string& state, keymgmt::Role role);
bool is_halted(const std::string& state, keymgmt::Role role);

// `<state>/on-standby/<role>`: the active keys of the role stand in its standby token.
std::string standby_mark(const std::string& state, keymgmt::Role role);
// The name of the token that holders of the role log in to.
std::string serving_token(const Config& config, keymgmt::Role role);

// Makes the mark be there, with `text` for people, or not; durably. Changes nothing where it is so already.
Status set_mark(const std::string& path, bool wanted, const std::string& text);

}  // namespace countersign::config
