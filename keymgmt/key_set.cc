#include "keymgmt/key_set.h"

#include <set>

namespace countersign::keymgmt {
namespace {

constexpr std::string_view kSchemaId = "countersign.keyset";
constexpr std::string_view kSchemaVersion = "1.0.0";

Error invalid(std::string detail) {
  return Error{ErrorCode::Invalid, "key set: " + std::move(detail)};
}

// Moments that a key of the set may lack.
struct OptionalTime {
  std::string_view name;
  std::optional<UtcTime> PublishedKey::*member;
};
constexpr OptionalTime kOptionalTimes[] = {{"not_after", &PublishedKey::not_after},
                                           {"compromised_since", &PublishedKey::compromised_since},
                                           {"published_at", &PublishedKey::published_at},
                                           {"verify_until", &PublishedKey::verify_until}};

Json document_of(const PublishedKey& key) {
  Json out = Json::object({{"kid", key.key.kid()},
                           {"role", name_of(key.role)},
                           {"algorithm", name_of(key.key.algorithm())},
                           {"state", name_of(key.state)},
                           {"spki", to_base64(key.key.spki())},
                           {"token_id", key.token_id},
                           {"label", key.label},
                           {"created_at", key.created_at.rfc3339()},
                           {"not_before", key.not_before.rfc3339()}});
  for (const OptionalTime& each : kOptionalTimes) {
    if (key.*each.member) out.set(each.name, (key.*each.member)->rfc3339());
  }
  Json aliases = Json(Json::Object{});
  for (const auto& [name, value] : key.key.aliases()) aliases.set(name, value);
  out.set("aliases", std::move(aliases));
  return out;
}

// Takes the members of one object, each once; what is left over is unknown.
class Members {
 public:
  explicit Members(const Json& object) : object_(object) {}

  Result<std::string> text(std::string_view name) {
    taken_.insert(name);
    const Json* member = object_.find(name);
    if (member == nullptr || !member->is_string()) return invalid(std::string(name) + " must be a string");
    return member->as_string();
  }
  Result<UtcTime> time(std::string_view name) {
    ASSIGN_OR_RETURN(const std::string given, text(name));
    return UtcTime::parse(given);
  }
  Result<std::optional<UtcTime>> optional_time(std::string_view name) {
    taken_.insert(name);
    if (object_.find(name) == nullptr) return std::optional<UtcTime>();
    ASSIGN_OR_RETURN(const UtcTime moment, time(name));
    return std::optional(moment);
  }
  Result<const Json*> member(std::string_view name) {
    taken_.insert(name);
    const Json* found = object_.find(name);
    if (found == nullptr) return invalid(std::string(name) + " is missing");
    return found;
  }
  Status finish() const {
    for (const Json::Member& member : object_.as_object()) {
      if (!taken_.contains(member.first)) return invalid("unknown member " + member.first.substr(0, 64));
    }
    return ok();
  }

 private:
  const Json& object_;
  std::set<std::string_view> taken_;
};

Result<PublishedKey> parse_key(const Json& document) {
  if (!document.is_object()) return invalid("a key must be an object");
  Members members(document);
  ASSIGN_OR_RETURN(const std::string spki, members.text("spki"));
  ASSIGN_OR_RETURN(const Bytes der, from_base64(spki));
  ASSIGN_OR_RETURN(PublicKey key, PublicKey::from_spki(der));
  ASSIGN_OR_RETURN(const std::string kid, members.text("kid"));
  ASSIGN_OR_RETURN(const std::string role, members.text("role"));
  ASSIGN_OR_RETURN(const std::string algorithm, members.text("algorithm"));
  ASSIGN_OR_RETURN(const std::string state, members.text("state"));
  ASSIGN_OR_RETURN(const Json* aliases, members.member("aliases"));
  if (kid != key.kid()) return invalid("kid " + kid.substr(0, 64) + " is not the thumbprint of its key");
  if (algorithm != name_of(key.algorithm())) return invalid("algorithm is not that of the key " + kid);
  if (!role_named(role)) return invalid("unknown role " + role.substr(0, 64));
  if (!key_state_named(state)) return invalid("unknown state " + state.substr(0, 64));
  PublishedKey out{.key = std::move(key), .role = *role_named(role), .state = *key_state_named(state)};
  ASSIGN_OR_RETURN(out.token_id, members.text("token_id"));
  ASSIGN_OR_RETURN(out.label, members.text("label"));
  ASSIGN_OR_RETURN(out.created_at, members.time("created_at"));
  ASSIGN_OR_RETURN(out.not_before, members.time("not_before"));
  for (const OptionalTime& each : kOptionalTimes) {
    ASSIGN_OR_RETURN(out.*each.member, members.optional_time(each.name));
  }
  RETURN_IF_ERROR(members.finish());
  if (*aliases != *document_of(out).find("aliases"))
    return invalid("aliases of " + kid + " do not follow from the key");
  if (!is_published(out.state)) return invalid("the key " + kid + " is " + state + ", which is not published");
  if (out.compromised_since && may_sign(out.state)) return invalid("the compromised key " + kid + " is still active");
  return out;
}

bool may_count(const PublishedKey& key) {
  return verifies(key.state) && !key.compromised_since;
}

}  // namespace

bool PublishedKey::counts_at(UtcTime moment) const {
  return may_count(*this) && not_before <= moment && (!not_after || moment < *not_after);
}

KeySet::KeySet(std::uint64_t version, UtcTime issued_at, std::vector<PublishedKey> keys)
    : version_(version), issued_at_(issued_at), keys_(std::move(keys)) {
  std::erase_if(keys_, [](const PublishedKey& key) { return !is_published(key.state); });
  for (std::size_t at = 0; at < keys_.size(); ++at) {
    names_.emplace(keys_[at].key.kid(), at);
    for (auto& [kind, name] : keys_[at].key.aliases()) names_.emplace(std::move(name), at);
  }
}

const PublishedKey* KeySet::find(std::string_view name) const {
  const auto at = names_.find(name);
  return at == names_.end() ? nullptr : &keys_[at->second];
}

const PublishedKey* KeySet::active(Role role, Algorithm algorithm) const {
  for (const PublishedKey& key : keys_) {
    if (key.role == role && key.key.algorithm() == algorithm && may_sign(key.state) && !key.compromised_since) {
      return &key;
    }
  }
  return nullptr;
}

Json KeySet::document() const {
  Json::Array keys;
  for (const PublishedKey& key : keys_) keys.push_back(document_of(key));
  Json out = Json::object({{"schema_id", kSchemaId},
                           {"schema_version", kSchemaVersion},
                           {"version", version_},
                           {"issued_at", issued_at_.rfc3339()}});
  if (expires_at_) out.set("expires_at", expires_at_->rfc3339());
  out.set("keys", std::move(keys));
  return out;
}

Json KeySet::jwks() const {
  Json::Array keys;
  for (const PublishedKey& key : keys_) {
    if (may_count(key)) keys.push_back(key.key.jwk(key.role));
  }
  return Json::object({{"keys", std::move(keys)}});
}

Result<KeySet> KeySet::parse(const Json& document) {
  if (!document.is_object()) return invalid("must be an object");
  Members members(document);
  ASSIGN_OR_RETURN(const std::string schema_id, members.text("schema_id"));
  ASSIGN_OR_RETURN(const std::string schema_version, members.text("schema_version"));
  if (schema_id != kSchemaId || schema_version != kSchemaVersion) {
    return invalid("schema must be countersign.keyset 1.0.0");
  }
  ASSIGN_OR_RETURN(const Json* version, members.member("version"));
  if (!version->is_integer() || version->as_integer() < 0) return invalid("version must be a whole number");
  ASSIGN_OR_RETURN(const UtcTime issued_at, members.time("issued_at"));
  ASSIGN_OR_RETURN(const std::optional<UtcTime> expires_at, members.optional_time("expires_at"));
  ASSIGN_OR_RETURN(const Json* list, members.member("keys"));
  if (!list->is_array()) return invalid("keys must be a list");
  RETURN_IF_ERROR(members.finish());
  std::vector<PublishedKey> keys;
  std::set<std::string> kids;
  for (const Json& entry : list->as_array()) {
    ASSIGN_OR_RETURN(PublishedKey key, parse_key(entry));
    // One key never serves two roles, so its name stands once.
    if (!kids.insert(key.key.kid()).second) return invalid("the key " + key.key.kid() + " stands twice");
    keys.push_back(std::move(key));
  }
  KeySet read(static_cast<std::uint64_t>(version->as_integer()), issued_at, std::move(keys));
  read.expires_at_ = expires_at;
  return read;
}

}  // namespace countersign::keymgmt
