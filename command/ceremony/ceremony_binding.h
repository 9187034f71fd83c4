// The machine's side of a ceremony: which appliance, which token behind each name of the plan, and where its PIN comes
// from. It may differ between the rehearsal and the real run; the plan does not.
//
//   binding: 1
//   configuration: /etc/countersign/countersign.yaml
//   tokens:
//     approval: {serial: "1a2b3c", pin: {prompt: true}}    # or {file: F}, {credential: NAME}, {descriptor: 7}
#pragma once

#include <map>
#include <string>

#include "common/result.h"
#include "signer/config/config.h"
#include "signer/custody/pin_store.h"

namespace countersign::command {

struct BoundToken {
  std::string serial;
  config::PinSource pin;
  int descriptor = -1;  // where the PIN is read from; -1: `pin` says
};

struct Binding {
  config::Config config;
  std::map<std::string, BoundToken> tokens;  // by the name in plan and configuration

  // The configuration's token, with the serial number that the binding demands of it.
  // Fails with Refused (token_not_bound).
  Result<config::TokenConfig> token(const std::string& name) const;
  // Every PIN that has to be asked for or read once. Fails as PinStore does.
  Status collect_pins(const std::vector<std::string>& tokens, custody::PinStore& pins) const;
};

// Strict. `folder`: relative paths are relative to it. Fails with Invalid, and as config::load does.
Result<Binding> read_binding(const std::string& path);
// Every token of the configuration with the PIN source it has there.
Result<Binding> binding_of_configuration(const std::string& path);

}  // namespace countersign::command
