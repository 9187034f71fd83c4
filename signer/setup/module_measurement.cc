#include "signer/setup/module_measurement.h"

#include "signer/custody/holder_run.h"
#include "signer/custody/pin_store.h"

namespace countersign::setup {

Result<Json> probe_module(const config::Config& config, const std::string& holder, const std::string& token,
                          bool pin_lockout) {
  const config::TokenConfig* found = config.token(token);
  if (found == nullptr) {
    return Error{ErrorCode::NotFound, "the configuration has no token " + token, "unknown_token",
                 "its names stand under `tokens`"};
  }
  custody::PinStore pins;
  if (found->pin.kind == config::PinSource::Kind::Prompt) {
    RETURN_IF_ERROR(pins.ask(token, "PIN of token " + token + ": "));
  }
  ASSIGN_OR_RETURN(const int pin, pins.open(*found));
  return custody::measure_module(holder, config, *found, pin_lockout, pin, -1);
}

}  // namespace countersign::setup
