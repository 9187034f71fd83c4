// The PINs of the tokens. A PIN in a file or credential is never read here: the holder gets the descriptor. One that
// was typed is kept in locked memory for restarts, unless the configuration says `pin_on_restart: ask`.
#pragma once

#include <map>
#include <string>

#include "common/secret_bytes.h"
#include "signer/config/config.h"

namespace countersign::custody {

class PinStore {
 public:
  // Asks on the terminal, without echo, for every PIN that is to be typed. Fails with Unavailable without a terminal.
  Status ask_for_typed(const config::Config& config);

  // Asks for one, as `prompt` says. Fails as ask_for_typed does.
  Status ask(const std::string& token, const std::string& prompt);
  // One that came another way, a descriptor: kept as a typed one is.
  void keep(const std::string& token, SecretBytes pin) { typed_.insert_or_assign(token, std::move(pin)); }

  // A descriptor from which the PIN of `token` can be read once to its end; the caller closes it.
  // Fails with Refused for a file that others can read or a link leads to, with NotFound for a missing one, with
  // Unavailable (reason "pin_not_kept") for a typed PIN that was not kept.
  Result<int> open(const config::TokenConfig& token);

  // After a refusal: a typed PIN is forgotten, so that nothing can try it again.
  void forget(const config::TokenConfig& token);

 private:
  std::map<std::string, SecretBytes> typed_;  // by token name
};

}  // namespace countersign::custody
