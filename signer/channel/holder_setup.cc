#include "signer/channel/holder_setup.h"

#include "common/json_fields.h"

namespace countersign::channel {
namespace {

constexpr std::int64_t kMostKeys = 1000;  // of one role and algorithm in one token

Result<keymgmt::Role> role_in(JsonFields& fields) {
  ASSIGN_OR_RETURN(const std::string name, fields.text("role"));
  const std::optional<keymgmt::Role> role = keymgmt::role_named(name);
  if (!role) return fields.wrong("role", "is not a role");
  return *role;
}

Result<keymgmt::Algorithm> algorithm_in(const JsonFields& fields, std::string_view member, std::string_view name) {
  const std::optional<keymgmt::Algorithm> algorithm = keymgmt::algorithm_named(name);
  if (!algorithm) return fields.wrong(member, "is not ed25519 or p256");
  return *algorithm;
}

Result<SetupRole> setup_role(const Json& json) {
  JsonFields fields(json, "roles");
  SetupRole wanted;
  ASSIGN_OR_RETURN(wanted.role, role_in(fields));
  ASSIGN_OR_RETURN(const std::vector<std::string> names, fields.texts("algorithms"));
  for (const std::string& name : names) {
    ASSIGN_OR_RETURN(const keymgmt::Algorithm algorithm, algorithm_in(fields, "algorithms", name));
    wanted.algorithms.push_back(algorithm);
  }
  if (wanted.algorithms.empty()) return fields.wrong("algorithms", "is empty");
  ASSIGN_OR_RETURN(const std::int64_t keys, fields.integer("keys", 0, kMostKeys));
  wanted.keys = static_cast<int>(keys);
  RETURN_IF_ERROR(fields.finish());
  return wanted;
}

Error error_in(const Json& json) {
  const std::string code(json.text("code"));
  const std::optional<ErrorCode> known = error_code_named(code);
  return Error{known.value_or(ErrorCode::Unavailable), std::string(json.text("message")), known ? "" : code,
               std::string(json.text("hint"))};
}

}  // namespace

Json SetupRequest::to_json() const {
  Json::Array wanted;
  for (const SetupRole& role : roles) {
    Json::Array names;
    for (const keymgmt::Algorithm algorithm : role.algorithms) names.emplace_back(name_of(algorithm));
    wanted.push_back(
        Json::object({{"role", name_of(role.role)}, {"algorithms", std::move(names)}, {"keys", role.keys}}));
  }
  return Json::object({{"module", module},
                       {"label", label},
                       {"serial", serial},
                       {"profile", profile},
                       {"trust", trust},
                       {"pin_lockout", pin_lockout},
                       {"roles", std::move(wanted)}});
}

Result<SetupRequest> SetupRequest::from_json(const Json& json) {
  JsonFields fields(json, "");
  SetupRequest request;
  ASSIGN_OR_RETURN(request.module, fields.text("module"));
  ASSIGN_OR_RETURN(request.label, fields.text("label"));
  ASSIGN_OR_RETURN(request.serial, fields.text("serial"));
  ASSIGN_OR_RETURN(request.profile, fields.text("profile"));
  ASSIGN_OR_RETURN(request.trust, fields.text("trust"));
  ASSIGN_OR_RETURN(request.pin_lockout, fields.boolean("pin_lockout"));
  ASSIGN_OR_RETURN(const Json::Array* roles, fields.array("roles"));
  for (const Json& role : *roles) {
    ASSIGN_OR_RETURN(SetupRole wanted, setup_role(role));
    request.roles.push_back(std::move(wanted));
  }
  RETURN_IF_ERROR(fields.finish());
  if (request.label.empty() && request.serial.empty()) return fields.wrong("label", "and serial are both empty");
  return request;
}

Json HeldKey::to_json() const {
  return Json::object({{"role", name_of(role)},
                       {"kid", key.kid()},
                       {"algorithm", name_of(key.algorithm())},
                       {"spki", to_base64(key.spki())},
                       {"id", token_id},
                       {"label", label},
                       {"created", created}});
}

keymgmt::PublishedKey HeldKey::generated(const std::string& token, UtcTime now) const {
  keymgmt::PublishedKey published{.key = key,
                                  .role = role,
                                  .state = keymgmt::KeyState::Generated,
                                  .token_id = token_id,
                                  .label = label,
                                  .created_at = now,
                                  .not_before = now,
                                  .not_after = std::nullopt,
                                  .compromised_since = std::nullopt};
  published.token = token;
  return published;
}

Result<HeldKey> HeldKey::from_json(const Json& json) {
  JsonFields fields(json, "keys");
  ASSIGN_OR_RETURN(const keymgmt::Role role, role_in(fields));
  ASSIGN_OR_RETURN(const std::string kid, fields.text("kid"));
  ASSIGN_OR_RETURN(const std::string name, fields.text("algorithm"));
  ASSIGN_OR_RETURN(const keymgmt::Algorithm algorithm, algorithm_in(fields, "algorithm", name));
  ASSIGN_OR_RETURN(const std::string spki, fields.text("spki"));
  ASSIGN_OR_RETURN(const Bytes der, from_base64(spki));
  ASSIGN_OR_RETURN(keymgmt::PublicKey key, keymgmt::PublicKey::from_spki(der));
  ASSIGN_OR_RETURN(std::string token_id, fields.text("id"));
  ASSIGN_OR_RETURN(std::string label, fields.text("label"));
  ASSIGN_OR_RETURN(const bool created, fields.boolean("created"));
  RETURN_IF_ERROR(fields.finish());
  if (key.kid() != kid) return fields.wrong("kid", "is not the thumbprint of the spki");
  if (key.algorithm() != algorithm) return fields.wrong("algorithm", "is not that of the spki");
  return HeldKey{role, std::move(key), std::move(token_id), std::move(label), created};
}

Json SetupAnswer::to_json() const {
  Json::Array held;
  for (const HeldKey& key : keys) held.push_back(key.to_json());
  return Json::object({{"ok", true},
                       {"token", Json::object({{"label", token_label},
                                               {"serial", token_serial},
                                               {"manufacturer", manufacturer},
                                               {"model", model},
                                               {"created", token_created}})},
                       {"keys", std::move(held)}});
}

Result<SetupAnswer> SetupAnswer::from_json(const Json& json) {
  JsonFields fields(json, "");
  ASSIGN_OR_RETURN(const bool good, fields.boolean("ok"));
  if (!good) {
    ASSIGN_OR_RETURN(const Json* error, fields.required("error"));
    RETURN_IF_ERROR(fields.finish());
    return error_in(*error);
  }
  SetupAnswer answer;
  ASSIGN_OR_RETURN(const Json* token, fields.required("token"));
  JsonFields facts(*token, "token");
  ASSIGN_OR_RETURN(answer.token_label, facts.text("label"));
  ASSIGN_OR_RETURN(answer.token_serial, facts.text("serial"));
  ASSIGN_OR_RETURN(answer.manufacturer, facts.text("manufacturer"));
  ASSIGN_OR_RETURN(answer.model, facts.text("model"));
  ASSIGN_OR_RETURN(answer.token_created, facts.boolean("created"));
  RETURN_IF_ERROR(facts.finish());
  ASSIGN_OR_RETURN(const Json::Array* keys, fields.array("keys"));
  for (const Json& key : *keys) {
    ASSIGN_OR_RETURN(HeldKey held, HeldKey::from_json(key));
    answer.keys.push_back(std::move(held));
  }
  RETURN_IF_ERROR(fields.finish());
  return answer;
}

}  // namespace countersign::channel
