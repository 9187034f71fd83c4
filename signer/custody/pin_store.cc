#include "signer/custody/pin_store.h"

#include <fcntl.h>
#include <unistd.h>

#include "common/durable_file.h"
#include "common/secret_source.h"

namespace countersign::custody {
namespace {

Result<int> piped(const SecretBytes& pin) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return Error{ErrorCode::Unavailable, "cannot make a pipe for a PIN"};
  const auto bytes = pin.reveal();  // at most 256, which a pipe always takes whole
  const ssize_t wrote = write(ends[1], bytes.data(), bytes.size());
  close(ends[1]);
  if (wrote == static_cast<ssize_t>(bytes.size())) return ends[0];
  close(ends[0]);
  return Error{ErrorCode::Unavailable, "cannot pass a PIN on"};
}

}  // namespace

Status PinStore::ask_for_typed(const config::Config& config) {
  for (const config::TokenConfig& token : config.tokens) {
    if (token.pin.kind != config::PinSource::Kind::Prompt) continue;
    RETURN_IF_ERROR(ask(token.name, "PIN of token " + token.name + ": "));
  }
  return ok();
}

Status PinStore::ask(const std::string& token, const std::string& prompt) {
  Result<SecretBytes> typed = ask_secret(prompt);
  if (!typed) {
    return std::move(typed).error().with_hint("start countersignd on a terminal, or use pin: {credential: NAME}");
  }
  SecretBytes pin = *std::move(typed);
  typed_.insert_or_assign(token, std::move(pin));
  return ok();
}

Result<int> PinStore::open(const config::TokenConfig& token) {
  switch (token.pin.kind) {
    case config::PinSource::Kind::File:
      return open_private_file(token.pin.name);
    case config::PinSource::Kind::Credential:
      return open_credential(token.pin.name);
    case config::PinSource::Kind::Prompt:
      break;
  }
  const auto kept = typed_.find(token.name);
  if (kept == typed_.end()) {
    return Error{ErrorCode::Unavailable, "the PIN of token " + token.name + " was typed once and is not kept",
                 "pin_not_kept", "start countersignd again to type it"};
  }
  return piped(kept->second);
}

void PinStore::forget(const config::TokenConfig& token) {
  typed_.erase(token.name);
}

}  // namespace countersign::custody
