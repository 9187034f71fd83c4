#include "command/verifying_keys.h"

#include <unistd.h>

#include <cstdlib>

#include "command/input_file.h"
#include "command/signer_address.h"
#include "common/text.h"
#include "signer/client/signer_client.h"

namespace countersign::command {
namespace {

Error invalid(std::string detail) {
  return Error{ErrorCode::Invalid, std::move(detail)};
}

Result<keymgmt::KeySet> single_key(std::string_view text, keymgmt::Role role) {
  const bool pem = text.find("-----BEGIN") != std::string_view::npos;
  Result<keymgmt::PublicKey> key =
      pem ? keymgmt::PublicKey::from_pem(text) : keymgmt::PublicKey::from_gait(trimmed(text));
  if (!key) return invalid("parse public key: " + key.error().detail);
  keymgmt::PublishedKey published{*std::move(key), role,        keymgmt::KeyState::Active, "", "", {}, {},
                                  std::nullopt,    std::nullopt};
  return keymgmt::KeySet(1, UtcTime(), {std::move(published)});
}

}  // namespace

Result<keymgmt::KeySet> verifying_keys(const Arguments& arguments, keymgmt::Role role) {
  const std::string file(trimmed(arguments.text("public-key")));
  const std::string variable(trimmed(arguments.text("public-key-env")));
  const std::string trust(trimmed(arguments.text("trust")));
  if (!file.empty() && !variable.empty()) return invalid("public key source: set either path or env");
  if (!trust.empty() && (!file.empty() || !variable.empty())) return invalid("set either --trust or a public key");
  if (!file.empty()) {
    ASSIGN_OR_RETURN(const std::string text, read_input("public key", file));
    return single_key(text, role);
  }
  if (!variable.empty()) {
    const char* text = std::getenv(variable.c_str());
    if (text == nullptr || *text == '\0') return invalid("public key environment variable " + variable + " is not set");
    return single_key(text, role);
  }
  if (!trust.empty()) {
    ASSIGN_OR_RETURN(const std::string text, read_input("key set", trust + "/keyset.json"));
    ASSIGN_OR_RETURN(const Json document, Json::parse(text));
    return keymgmt::KeySet::parse(document);
  }
  const SignerAddress address = signer_address(arguments);
  if (!address.chosen && ::access(address.path.c_str(), F_OK) != 0) {
    return invalid("public key not configured")
        .with_hint("name a signer (--signer, $COUNTERSIGN_SIGNER), a key (--public-key) or a synced key set (--trust)");
  }
  client::SignerClient signer(address.path);
  return signer.keys();
}

}  // namespace countersign::command
