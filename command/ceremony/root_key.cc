#include "command/ceremony/root_key.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>

#include "command/ceremony/ceremony_run.h"
#include "command/ceremony/token_uri.h"
#include "common/secret_source.h"
#include "keymgmt/custodian_key.h"
#include "signer/channel/custodian_signing.h"
#include "signer/custody/holder_run.h"
#include "signer/custody/pin_store.h"

namespace countersign::command {
namespace {

using keymgmt::PublicKey;

// Where modules of tokens that people carry look for their own settings.
constexpr const char* kPassedOn[] = {"SOFTHSM2_CONF", "OPENSC_CONF", "HOME"};

Error another_key() {
  return Error{ErrorCode::Refused, "that key is not the root key that the plan gives this custodian",
               "not_the_custodians_key", "use the key whose public half stands under root_key in the plan"};
}

Status verify_all(const PublicKey& key, const std::vector<std::string>& messages,
                  const std::vector<Bytes>& signatures) {
  if (signatures.size() != messages.size()) return another_key();
  for (std::size_t i = 0; i < messages.size(); ++i) {
    if (!key.verify(view_of(messages[i]), signatures[i])) return another_key();
  }
  return ok();
}

Result<RootSignatures> sign_with_file(const std::string& path, std::string_view secret,
                                      const std::vector<PublicKey>& expected,
                                      const std::vector<std::string>& messages) {
  ASSIGN_OR_RETURN(const SecretBytes passphrase, secret_from(secret, "passphrase of " + path + ": "));
  ASSIGN_OR_RETURN(const keymgmt::CustodianKey key, keymgmt::CustodianKey::from_file(path, passphrase));
  const auto known = std::ranges::find(expected, key.public_key().kid(), &PublicKey::kid);
  if (known == expected.end()) return another_key();
  RootSignatures made{*known, {}};
  for (const std::string& message : messages) {
    ASSIGN_OR_RETURN(Bytes signature, key.sign(view_of(message)));
    made.signatures.push_back(std::move(signature));
  }
  return made;
}

Result<std::vector<Bytes>> sign_on_their_token(const TokenUri& uri, custody::PinStore& pins,
                                               const config::TokenConfig& token, keymgmt::Algorithm algorithm,
                                               const std::vector<std::string>& messages) {
  channel::CustodianSigning request;
  request.module = uri.module_path;
  request.label = uri.token;
  request.serial = uri.serial;
  request.id = to_hex(uri.id);
  request.object = uri.object;
  request.algorithm = algorithm;
  for (const std::string& message : messages) request.messages.emplace_back(message.begin(), message.end());
  ASSIGN_OR_RETURN(const int pin, pins.open(token));
  ASSIGN_OR_RETURN(const Json answer, custody::run_holder(programs_folder() + "/countersign-holder", "custodian", token,
                                                          request.to_json(), pin, -1));
  const Json* encoded = answer.find("signatures");
  if (encoded == nullptr || !encoded->is_array()) return Error{ErrorCode::Internal, "the holder gave no signatures"};
  std::vector<Bytes> signatures;
  for (const Json& each : encoded->as_array()) {
    ASSIGN_OR_RETURN(Bytes signature, from_base64(each.is_string() ? each.as_string() : ""));
    signatures.push_back(std::move(signature));
  }
  return signatures;
}

Result<RootSignatures> sign_with_token(const TokenUri& uri, std::string_view secret,
                                       const std::vector<PublicKey>& expected,
                                       const std::vector<std::string>& messages) {
  config::TokenConfig token;
  token.name = uri.token.empty() ? uri.serial : uri.token;
  token.module = uri.module_path;
  token.pin.kind = config::PinSource::Kind::Prompt;  // kept in locked memory until the holder has it
  for (const char* name : kPassedOn) {
    if (const char* value = std::getenv(name)) token.environment.emplace(name, value);
  }
  custody::PinStore pins;
  ASSIGN_OR_RETURN(SecretBytes pin, secret_from(secret, "PIN of token " + token.name + ": "));
  pins.keep(token.name, std::move(pin));
  Error last = another_key();
  for (const PublicKey& key : expected) {
    Result<std::vector<Bytes>> signatures = sign_on_their_token(uri, pins, token, key.algorithm(), messages);
    // A wrong PIN is not tried twice.
    if (!signatures) return std::move(signatures).error();
    if (verify_all(key, messages, *signatures)) return RootSignatures{key, *std::move(signatures)};
  }
  return last;
}

}  // namespace

Result<RootSignatures> sign_with_root_key(const std::string& place, std::string_view secret,
                                          const std::vector<PublicKey>& expected,
                                          const std::vector<std::string>& messages) {
  if (expected.empty()) {
    return Error{ErrorCode::Refused, "the plan gives this custodian no root key", "root_key_missing",
                 "sign with --ssh-key, or make a plan whose quorum has a root_key for everybody"};
  }
  if (!is_token_uri(place)) return sign_with_file(place, secret, expected, messages);
  ASSIGN_OR_RETURN(const TokenUri uri, read_token_uri(place));
  return sign_with_token(uri, secret, expected, messages);
}

}  // namespace countersign::command
