#include "signer/setup/module_measurement.h"

#include "signer/custody/holder_run.h"
#include "signer/custody/pin_store.h"

namespace countersign::setup {
namespace {

// What the holder measured says so; where it does not, nobody knows.
bool all_destroyed(const Json& profile) {
  const Json* measurements = profile.find("measurements");
  if (measurements == nullptr || !measurements->is_array()) return false;
  for (const Json& each : measurements->as_array()) {
    if (each.text("name") == "trial_keys_destroyed") return each.find("well")->as_bool();
  }
  return false;
}

}  // namespace

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
  ASSIGN_OR_RETURN(Json profile, custody::measure_module(holder, config, *found, pin_lockout, pin, -1));
  // Some modules destroy a trial key only once the process that used it has ended. A locked token lets nobody in.
  if (!pin_lockout && !all_destroyed(profile)) {
    ASSIGN_OR_RETURN(const int again, pins.open(*found));
    const channel::SetupRequest request = custody::bare_request(config, *found);
    RETURN_IF_ERROR(custody::run_holder(holder, "sweep", *found, request.to_json(), again, -1));
  }
  return profile;
}

}  // namespace countersign::setup
