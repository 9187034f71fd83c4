// countersign-holder init, measure, sweep and probe (channel/holder_setup.h has the objects they read and write).
#pragma once

#include "common/clock.h"
#include "common/result.h"
#include "common/secret_bytes.h"
#include "signer/channel/holder_setup.h"

namespace countersign::holder {

// The module's environment (SOFTHSM2_CONF) is this process's own.
// Makes what is missing. `so_pin` may be empty where the token exists. Fails with Refused (ceremony_needed) where
// something would have to be made and the module is not SoftHSM, with Invalid for a new token without a label or SO
// PIN, and with the reasons of channel/holder_exit.h.
Result<channel::SetupAnswer> init(const channel::SetupRequest& request, SecretBytes pin, SecretBytes so_pin,
                                  UtcTime now);

// Measures the token's module; makes the token first where it is missing, as init does.
Result<Json> measure(const channel::SetupRequest& request, SecretBytes pin, SecretBytes so_pin, UtcTime now);
// Destroys the trial keys that a measurement left: {"ok","removed"}.
Result<Json> sweep(const channel::SetupRequest& request, SecretBytes pin);

// Logs in, finds the keys of the roles named and proves each with a canary. Fails with no_key and the like.
Result<channel::SetupAnswer> probe(const channel::SetupRequest& request, SecretBytes pin);

// Reads the request on stdin, writes the answer on stdout; the process's exit status.
int run_setup(std::string_view command);

}  // namespace countersign::holder
