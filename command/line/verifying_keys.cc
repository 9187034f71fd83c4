#include "command/line/verifying_keys.h"

#include <unistd.h>

#include "command/line/input_file.h"
#include "command/line/key_files.h"
#include "command/line/signer_address.h"
#include "common/text.h"
#include "signer/client/signer_client.h"

namespace countersign::command {
namespace {

Error invalid(std::string detail) {
  return Error{ErrorCode::Invalid, std::move(detail)};
}

Result<keymgmt::KeySet> synced_keys(const std::string& folder) {
  ASSIGN_OR_RETURN(const std::string text, read_input("key set", folder + "/keyset.json"));
  ASSIGN_OR_RETURN(const Json document, Json::parse(text));
  ASSIGN_OR_RETURN(keymgmt::KeySet keys, keymgmt::KeySet::parse(document));
  // What is not fresh is not believed: it may lack that a key was stolen.
  if (keys.expires_at() && SystemClock().now() >= *keys.expires_at()) {
    return Error{ErrorCode::VerificationFailed,
                 "the key set in " + folder + " expired at " + keys.expires_at()->rfc3339(), "trust_expired",
                 "countersign keys sync --from DIR|URL --trust " + folder};
  }
  return keys;
}

}  // namespace

Result<std::optional<keymgmt::KeySet>> trusted_keys(const Arguments& arguments) {
  const std::string folder(trimmed(arguments.text("trust")));
  if (folder.empty()) return std::optional<keymgmt::KeySet>();
  ASSIGN_OR_RETURN(keymgmt::KeySet keys, synced_keys(folder));
  return std::optional(std::move(keys));
}

Result<keymgmt::KeySet> verifying_keys(const Arguments& arguments, keymgmt::Role role) {
  ASSIGN_OR_RETURN(std::optional<SourcedPublicKey> key, verify_key(arguments, ""));
  const std::string trust(trimmed(arguments.text("trust")));
  if (!trust.empty() && key) return invalid("set either --trust or a public key");
  if (key) return only_key(std::move(key->key), role);
  if (!trust.empty()) return synced_keys(trust);
  const SignerAddress address = signer_address(arguments);
  if (!address.chosen && ::access(address.path.c_str(), F_OK) != 0) {
    return invalid("public key not configured")
        .with_hint("name a signer (--signer, $COUNTERSIGN_SIGNER), a key (--public-key) or a synced key set (--trust)");
  }
  client::SignerClient signer(address.path);
  return signer.keys();
}

}  // namespace countersign::command
