#include "signer/setup/successor.h"

#include "signer/client/signer_client.h"
#include "signer/custody/holder_run.h"
#include "signer/custody/pin_store.h"
#include "signer/trial/trial_custodians.h"

namespace countersign::setup {
namespace {

using channel::HeldKey;
using channel::SetupAnswer;

Result<const config::RoleConfig*> role_of(const config::Config& config, const std::string& name) {
  const std::optional<keymgmt::Role> role = keymgmt::role_named(name);
  const config::RoleConfig* found = role ? config.role(*role) : nullptr;
  if (found != nullptr) return found;
  return Error{ErrorCode::NotFound, "the configuration has no role " + name, "unknown_role"};
}

// The token that successors are made on, and how a holder gets to it.
struct Place {
  const config::Config& config;
  const config::TokenConfig& token;
  const std::string& holder;
  custody::PinStore& pins;
};

Result<SetupAnswer> keys_on(const Place& place, channel::SetupRole wanted) {
  channel::SetupRequest request = custody::bare_request(place.config, place.token);
  request.roles.push_back(std::move(wanted));
  ASSIGN_OR_RETURN(const int pin, place.pins.open(place.token));
  return custody::run_setup(place.holder, "init", place.token, request, pin, -1);
}

// The key of that algorithm that the signer does not know: found, or made.
Result<HeldKey> new_key(const Place& place, const config::RoleConfig& role, keymgmt::Algorithm algorithm,
                        const keymgmt::KeySet& known) {
  ASSIGN_OR_RETURN(SetupAnswer answer, keys_on(place, {role.role, {algorithm}, 0}));
  const int one_more = static_cast<int>(answer.keys.size()) + 1;
  for (int attempt = 0; attempt < 2; ++attempt) {
    for (HeldKey& key : answer.keys) {
      key.created = false;
      if (known.find(key.key.kid()) == nullptr) return std::move(key);
    }
    ASSIGN_OR_RETURN(answer, keys_on(place, {role.role, {algorithm}, one_more}));
  }
  return Error{ErrorCode::Internal, "token " + place.token.name + " made no new key"};
}

}  // namespace

Result<Json> stage_successor(const config::Config& config, const std::string& holder, const std::string& role_name,
                             const std::string& token_name) {
  ASSIGN_OR_RETURN(const config::RoleConfig* role, role_of(config, role_name));
  const std::string name = token_name.empty() ? role->token : token_name;
  if (name != role->token && name != role->standby_token) {
    return Error{ErrorCode::Invalid, "token " + name + " is none of the role " + role_name, "wrong_token",
                 "name the role's token or its standby_token"};
  }
  client::SignerClient signer(config.admin_socket);
  ASSIGN_OR_RETURN(const keymgmt::KeySet known, signer.keys());
  custody::PinStore pins;
  RETURN_IF_ERROR(pins.ask_for_typed(config));
  const Place place{config, *config.token(name), holder, pins};
  Json::Array keys;
  for (const keymgmt::Algorithm algorithm : role->algorithms) {
    ASSIGN_OR_RETURN(const HeldKey key, new_key(place, *role, algorithm, known));
    keys.push_back(key.to_json());
  }
  Json body = Json::object({{"token", name}, {"keys", std::move(keys)}});
  if (config.role(keymgmt::Role::Publication) != nullptr) {
    const Json proposed = body;
    RETURN_IF_ERROR(trial::add_signatures(config.state, signer, proposed, body));
  }
  ASSIGN_OR_RETURN(const Json answer, signer.change("/v1/keys/stage", body));
  const Json* staged = answer.find("staged");
  if (staged == nullptr || !staged->is_array()) {
    return Error{ErrorCode::Internal, "the signer's answer names no staged keys"};
  }
  return Json::object({{"ok", true}, {"token", name}, {"staged", *staged}});
}

}  // namespace countersign::setup
