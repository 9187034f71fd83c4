#include "signer/ledger/key_row.h"

#include "common/json.h"

namespace countersign::ledger {
namespace {

Json optional_time(const std::optional<UtcTime>& time) {
  return time ? Json(time->rfc3339()) : Json();
}

Result<std::optional<UtcTime>> optional_time_of(const Json* json) {
  if (json == nullptr || json->is_null()) return std::optional<UtcTime>();
  if (!json->is_string()) return Error{ErrorCode::Invalid, "a stored key has a time that is no text"};
  ASSIGN_OR_RETURN(const UtcTime time, UtcTime::parse(json->as_string()));
  return std::optional<UtcTime>(time);
}

}  // namespace

std::string key_body(const keymgmt::PublishedKey& key, std::string_view reason) {
  Json body = Json::object({{"kid", key.key.kid()},
                            {"role", name_of(key.role)},
                            {"algorithm", name_of(key.key.algorithm())},
                            {"state", name_of(key.state)},
                            {"public_key", to_base64(key.key.raw())},
                            {"token_id", key.token_id},
                            {"label", key.label},
                            {"created_at", key.created_at.rfc3339()},
                            {"not_before", key.not_before.rfc3339()},
                            {"not_after", optional_time(key.not_after)},
                            {"compromised_since", optional_time(key.compromised_since)},
                            {"published_at", optional_time(key.published_at)},
                            {"verify_until", optional_time(key.verify_until)},
                            {"gate_opens", optional_time(key.gate_opens)},
                            {"longest_lifetime", std::int64_t{key.longest_lifetime.count()}},
                            {"token", key.token},
                            {"acknowledged", Json::array(key.acknowledged)}});
  if (!reason.empty()) body.set("reason", reason);
  return body.compact();
}

Result<keymgmt::PublishedKey> key_of(std::string_view body) {
  ASSIGN_OR_RETURN(const Json json, Json::parse(body));
  const std::optional<keymgmt::Role> role = keymgmt::role_named(json.text("role"));
  const std::optional<keymgmt::Algorithm> algorithm = keymgmt::algorithm_named(json.text("algorithm"));
  const std::optional<keymgmt::KeyState> state = keymgmt::key_state_named(json.text("state"));
  if (!role || !algorithm || !state)
    return Error{ErrorCode::Invalid, "a stored key has no known role, algorithm or state"};
  ASSIGN_OR_RETURN(const Bytes raw, from_base64(json.text("public_key")));
  ASSIGN_OR_RETURN(keymgmt::PublicKey key, keymgmt::PublicKey::from_raw(*algorithm, raw));
  ASSIGN_OR_RETURN(const UtcTime created_at, UtcTime::parse(json.text("created_at")));
  ASSIGN_OR_RETURN(const UtcTime not_before, UtcTime::parse(json.text("not_before")));
  ASSIGN_OR_RETURN(const std::optional<UtcTime> not_after, optional_time_of(json.find("not_after")));
  ASSIGN_OR_RETURN(const std::optional<UtcTime> compromised_since, optional_time_of(json.find("compromised_since")));
  keymgmt::PublishedKey out{.key = std::move(key),
                            .role = *role,
                            .state = *state,
                            .token_id = std::string(json.text("token_id")),
                            .label = std::string(json.text("label")),
                            .created_at = created_at,
                            .not_before = not_before,
                            .not_after = not_after,
                            .compromised_since = compromised_since};
  ASSIGN_OR_RETURN(out.published_at, optional_time_of(json.find("published_at")));
  ASSIGN_OR_RETURN(out.verify_until, optional_time_of(json.find("verify_until")));
  ASSIGN_OR_RETURN(out.gate_opens, optional_time_of(json.find("gate_opens")));
  if (const Json* lifetime = json.find("longest_lifetime"); lifetime != nullptr && lifetime->is_integer()) {
    out.longest_lifetime = std::chrono::nanoseconds(lifetime->as_integer());
  }
  out.token = std::string(json.text("token"));
  if (const Json* names = json.find("acknowledged"); names != nullptr && names->is_array()) {
    for (const Json& name : names->as_array()) {
      if (!name.is_string()) return Error{ErrorCode::Invalid, "a stored key was acknowledged by what is no name"};
      out.acknowledged.push_back(name.as_string());
    }
  }
  return out;
}

}  // namespace countersign::ledger
