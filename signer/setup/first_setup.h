// `countersignd init`: everything an appliance needs to start, on SoftHSM tokens, for trying out. Run again, it finds
// what it made and changes nothing; interrupted anywhere, it goes on where it stopped.
#pragma once

#include <string>

#include "common/clock.h"
#include "common/json.h"
#include "signer/config/config.h"

namespace countersign::setup {

// Makes the state directory, each token with its softhsm2.conf and PIN files (random, 0400), one key for each role and
// algorithm, the ledger, the keys' entries in it as active, and publishes them. Gives
// {"ok":true,"state","ledger":{"path","created"},"tokens":[…],"keys":[…],"published":{"directory","version"}}.
// Fails with
//   Refused "ceremony_needed"       a module that is not SoftHSM: the hint is the ceremony to run; nothing was touched
//   Refused "ledger_missing"        keys are there, but the ledger that recorded them is not: a missing ledger is never
//                                   replaced by an empty one
//   Refused "pin_missing"           a token is there, but the file with its PIN is not
//   Conflict "already_running"      countersignd runs on this state directory
// and as the holder, the ledger and the publication do. `holder` is the path of countersign-holder.
Result<Json> set_up(const config::Config& config, const std::string& holder, const Clock& clock);

}  // namespace countersign::setup
