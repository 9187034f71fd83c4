#include "keymgmt/publication/revocations.h"

#include <algorithm>

#include "common/json_fields.h"

namespace countersign::publication {
namespace {

using keymgmt::KeyState;
using keymgmt::PublishedKey;

constexpr std::string_view kSchemaId = "countersign.revoked";
constexpr std::string_view kSchemaVersion = "1.0.0";

struct TimeMember {
  std::string_view name;
  std::optional<UtcTime> Revocation::*member;
};
constexpr TimeMember kTimes[] = {{"not_after", &Revocation::not_after},
                                 {"verify_until", &Revocation::verify_until},
                                 {"compromised_since", &Revocation::compromised_since}};

std::optional<UtcTime> earliest(const std::optional<UtcTime>& a, const std::optional<UtcTime>& b) {
  if (!a || !b) return a ? a : b;
  return std::min(*a, *b);
}

Revocation merged(const Revocation& a, const Revocation& b) {
  Revocation out;
  out.state = std::max(a.state, b.state);
  for (const TimeMember& each : kTimes) out.*each.member = earliest(a.*each.member, b.*each.member);
  return out;
}

}  // namespace

Revocations::Revocations(const keymgmt::Keys& keys) {
  for (const PublishedKey& key : keys) {
    if (!keymgmt::is_published(key.state)) continue;
    if (key.state < KeyState::Retiring && !key.compromised_since) continue;
    keys_.insert_or_assign(key.key.kid(),
                           Revocation{key.state, key.not_after, key.verify_until, key.compromised_since});
  }
}

Json Revocations::document() const {
  Json keys{Json::Object{}};
  for (const auto& [kid, revocation] : keys_) {
    Json entry = Json::object({{"state", keymgmt::name_of(revocation.state)}});
    for (const TimeMember& each : kTimes) {
      if (revocation.*each.member) entry.set(each.name, (revocation.*each.member)->rfc3339());
    }
    keys.set(kid, std::move(entry));
  }
  return Json::object({{"schema_id", kSchemaId}, {"schema_version", kSchemaVersion}, {"keys", std::move(keys)}});
}

Result<Revocations> Revocations::parse(const Json& document) {
  JsonFields fields(document, "");
  ASSIGN_OR_RETURN(const std::string schema, fields.text("schema_id"));
  ASSIGN_OR_RETURN(const std::string version, fields.text("schema_version"));
  ASSIGN_OR_RETURN(const Json* keys, fields.required("keys"));
  RETURN_IF_ERROR(fields.finish());
  if (schema != kSchemaId || version != kSchemaVersion) {
    return fields.wrong("schema_id", "and schema_version must be countersign.revoked 1.0.0");
  }
  if (!keys->is_object()) return fields.wrong("keys", "must be an object");
  Revocations out;
  for (const auto& [kid, entry] : keys->as_object()) {
    JsonFields of_key(entry, "keys." + kid.substr(0, 64));
    Revocation revocation;
    ASSIGN_OR_RETURN(const std::string name, of_key.text("state"));
    const std::optional<KeyState> state = keymgmt::key_state_named(name);
    if (!state || *state < KeyState::Retiring) return of_key.wrong("state", "must be retiring, retired or destroyed");
    revocation.state = *state;
    for (const TimeMember& each : kTimes) {
      if (entry.find(each.name) == nullptr) continue;
      ASSIGN_OR_RETURN(const std::string text, of_key.text(each.name));
      ASSIGN_OR_RETURN(revocation.*each.member, UtcTime::parse(text));
    }
    RETURN_IF_ERROR(of_key.finish());
    out.keys_.emplace(kid, revocation);
  }
  return out;
}

keymgmt::KeySet Revocations::applied_to(const keymgmt::KeySet& keys) const {
  std::vector<PublishedKey> left = keys.keys();
  for (PublishedKey& key : left) {
    const auto found = keys_.find(key.key.kid());
    if (found == keys_.end()) continue;
    const Revocation& revocation = found->second;
    key.state = std::max(key.state, revocation.state);
    key.not_after = earliest(key.not_after, revocation.not_after);
    key.verify_until = earliest(key.verify_until, revocation.verify_until);
    key.compromised_since = earliest(key.compromised_since, revocation.compromised_since);
  }
  keymgmt::KeySet out(keys.version(), keys.issued_at(), std::move(left));
  if (keys.expires_at()) out.expire_at(*keys.expires_at());
  return out;
}

Revocations Revocations::with(const Revocations& earlier) const {
  Revocations out = *this;
  for (const auto& [kid, revocation] : earlier.keys_) {
    const auto [place, added] = out.keys_.emplace(kid, revocation);
    if (!added) place->second = merged(place->second, revocation);
  }
  return out;
}

}  // namespace countersign::publication
