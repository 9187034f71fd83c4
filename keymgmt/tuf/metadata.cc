#include "keymgmt/tuf/metadata.h"

#include <algorithm>

#include "common/digest.h"

namespace countersign::tuf {
namespace {

constexpr std::string_view kSpecVersion = "1.0.31";
constexpr std::uint64_t kLargestVersion = (std::uint64_t{1} << 53) - 1;
constexpr std::string_view kTrialMember = "countersign_trial";

Error invalid(std::string_view where, std::string_view rule) {
  return Error{ErrorCode::Invalid, std::string(where) + ": " + std::string(rule)};
}

Json begun(std::string_view type, std::uint64_t version, UtcTime expires) {
  return Json::object({{"_type", type},
                       {"spec_version", kSpecVersion},
                       {"version", version},
                       {"expires", expires.whole_seconds().rfc3339()}});
}

Result<std::uint64_t> version_in(const Json& object, std::string_view where) {
  const Json* version = object.find("version");
  if (version == nullptr || !version->is_integer() || version->as_integer() < 1 ||
      static_cast<std::uint64_t>(version->as_integer()) > kLargestVersion) {
    return invalid(where, "version must be a whole number from 1 on");
  }
  return static_cast<std::uint64_t>(version->as_integer());
}

struct Header {
  std::uint64_t version;
  UtcTime expires;
};

Result<Header> header_of(const Json& object, std::string_view type) {
  if (!object.is_object() || object.text("_type") != type) {
    return invalid("_type", "must be " + std::string(type));
  }
  // Minor versions add what old clients may ignore (§4.2.3, spec_version).
  if (!object.text("spec_version").starts_with("1.")) return invalid("spec_version", "must be 1.x");
  ASSIGN_OR_RETURN(const std::uint64_t version, version_in(object, type));
  ASSIGN_OR_RETURN(const UtcTime expires, UtcTime::parse(object.text("expires")));
  return Header{version, expires};
}

Json json_of(const FileFacts& facts) {
  return Json::object({{"hashes", Json::object({{"sha256", facts.sha256}})}, {"length", facts.length}});
}

Result<FileFacts> facts_in(const Json& object, std::string_view where) {
  const Json* length = object.find("length");
  const Json* hashes = object.find("hashes");
  if (length == nullptr || !length->is_integer() || length->as_integer() < 0 || hashes == nullptr ||
      hashes->text("sha256").size() != 2 * Digest::kSize) {
    return invalid(where, "must have a length and a sha256");
  }
  return FileFacts{static_cast<std::uint64_t>(length->as_integer()), std::string(hashes->text("sha256"))};
}

Json json_of(const Signers& signers) {
  return Json::object({{"keyids", Json::array(signers.key_ids)}, {"threshold", signers.threshold}});
}

Result<Signers> signers_in(const Json* object, std::string_view where) {
  if (object == nullptr) return invalid(where, "is missing");
  const Json* ids = object->find("keyids");
  const Json* threshold = object->find("threshold");
  if (ids == nullptr || !ids->is_array() || threshold == nullptr || !threshold->is_integer() ||
      threshold->as_integer() < 1 || threshold->as_integer() > static_cast<std::int64_t>(kMostSignatures)) {
    return invalid(where, "must have keyids and a threshold from 1 on");
  }
  Signers signers;
  signers.threshold = static_cast<int>(threshold->as_integer());
  for (const Json& id : ids->as_array()) {
    if (!id.is_string()) return invalid(where, "keyids must be texts");
    signers.key_ids.push_back(id.as_string());
  }
  std::sort(signers.key_ids.begin(), signers.key_ids.end());
  if (std::adjacent_find(signers.key_ids.begin(), signers.key_ids.end()) != signers.key_ids.end()) {
    return invalid(where, "names a key twice");
  }
  return signers;
}

Json json_of(const KeyTable& keys) {
  Json out{Json::Object{}};
  for (const auto& [id, key] : keys) out.set(id, key_json(key));
  return out;
}

Result<keymgmt::PublicKey> key_in(const Json& object) {
  const Json* value = object.find("keyval");
  if (value == nullptr) return invalid("keys", "keyval is missing");
  const std::string_view text = value->text("public");
  if (object.text("keytype") == "ed25519" && object.text("scheme") == "ed25519") {
    ASSIGN_OR_RETURN(const Bytes raw, from_hex(text));
    return keymgmt::PublicKey::from_raw(keymgmt::Algorithm::Ed25519, raw);
  }
  if (object.text("scheme") == "ecdsa-sha2-nistp256") {
    return keymgmt::PublicKey::from_pem(std::string(text) + (text.ends_with('\n') ? "" : "\n"));
  }
  return Error{ErrorCode::NotFound, "a key of a kind that we do not know"};
}

Result<KeyTable> keys_in(const Json* object) {
  if (object == nullptr || !object->is_object()) return invalid("keys", "must be an object");
  KeyTable keys;
  for (const auto& [id, entry] : object->as_object()) {
    const Result<keymgmt::PublicKey> key = key_in(entry);
    if (!key) {
      // Other clients may know it; to us it signs nothing.
      if (key.error().code == ErrorCode::NotFound) continue;
      return key.error();
    }
    if (key_id(*key) != id) return invalid("keys", "the id " + id.substr(0, 64) + " does not follow from its key");
    keys.emplace(id, *key);
  }
  return keys;
}

}  // namespace

FileFacts facts_of(std::string_view content) {
  return {content.size(), sha256(content).hex()};
}

Status matches(const FileFacts& facts, std::string_view content, std::string_view what) {
  if (facts_of(content) == facts) return ok();
  return Error{ErrorCode::VerificationFailed, std::string(what) + " is not the file that the metadata names",
               "arbitrary_software", "Somebody put another file there, or the copy is damaged; fetch it again."};
}

Json Root::signed_part() const {
  Json out = begun("root", version, expires);
  out.set("consistent_snapshot", true);
  if (trial) out.set(kTrialMember, true);
  out.set("keys", json_of(keys));
  out.set("roles", Json::object({{"root", json_of(root)},
                                 {"targets", json_of(targets)},
                                 {"snapshot", json_of(snapshot)},
                                 {"timestamp", json_of(timestamp)}}));
  return out;
}

Result<Root> Root::parse(const Json& signed_part) {
  ASSIGN_OR_RETURN(const Header header, header_of(signed_part, "root"));
  Root root{.version = header.version, .expires = header.expires};
  ASSIGN_OR_RETURN(root.keys, keys_in(signed_part.find("keys")));
  const Json* roles = signed_part.find("roles");
  if (roles == nullptr) return invalid("roles", "is missing");
  ASSIGN_OR_RETURN(root.root, signers_in(roles->find("root"), "roles.root"));
  ASSIGN_OR_RETURN(root.targets, signers_in(roles->find("targets"), "roles.targets"));
  ASSIGN_OR_RETURN(root.snapshot, signers_in(roles->find("snapshot"), "roles.snapshot"));
  ASSIGN_OR_RETURN(root.timestamp, signers_in(roles->find("timestamp"), "roles.timestamp"));
  const Json* consistent = signed_part.find("consistent_snapshot");
  if (consistent == nullptr || !consistent->is_bool() || !consistent->as_bool()) {
    return invalid("consistent_snapshot", "must be true");
  }
  const Json* trial = signed_part.find(kTrialMember);
  root.trial = trial != nullptr && trial->is_bool() && trial->as_bool();
  return root;
}

Json Targets::signed_part() const {
  Json out = begun("targets", version, expires);
  Json listed{Json::Object{}};
  for (const auto& [path, facts] : files) listed.set(path, json_of(facts));
  out.set("targets", std::move(listed));
  if (delegation) {
    const Json role = Json::object({{"name", delegation->name},
                                    {"keyids", Json::array(delegation->signers.key_ids)},
                                    {"threshold", delegation->signers.threshold},
                                    {"paths", Json::array(delegation->paths)},
                                    {"terminating", true}});
    out.set("delegations", Json::object({{"keys", json_of(delegation->keys)}, {"roles", Json::Array{role}}}));
  }
  return out;
}

Result<Targets> Targets::parse(const Json& signed_part) {
  ASSIGN_OR_RETURN(const Header header, header_of(signed_part, "targets"));
  Targets targets{.version = header.version, .expires = header.expires};
  const Json* files = signed_part.find("targets");
  if (files == nullptr || !files->is_object()) return invalid("targets", "must be an object");
  for (const auto& [path, entry] : files->as_object()) {
    // A path is a place below the directory of whoever fetches it.
    if (path.empty() || path.front() == '/' || path.find("..") != std::string::npos) {
      return invalid("targets", "holds the path " + path.substr(0, 128) + ", which leads elsewhere");
    }
    ASSIGN_OR_RETURN(const FileFacts facts, facts_in(entry, "targets." + path));
    targets.files.emplace(path, facts);
  }
  const Json* delegations = signed_part.find("delegations");
  if (delegations == nullptr) return targets;
  const Json* roles = delegations->find("roles");
  if (roles == nullptr || !roles->is_array()) return invalid("delegations", "must have roles");
  for (const Json& role : roles->as_array()) {
    if (role.text("name") != kRevokedRole) continue;
    if (targets.delegation) return invalid("delegations", "names revoked twice");
    Delegation delegation{.name = std::string(role.text("name"))};
    ASSIGN_OR_RETURN(delegation.keys, keys_in(delegations->find("keys")));
    ASSIGN_OR_RETURN(delegation.signers, signers_in(&role, "delegations.revoked"));
    if (const Json* paths = role.find("paths"); paths != nullptr && paths->is_array()) {
      for (const Json& path : paths->as_array()) {
        if (path.is_string()) delegation.paths.push_back(path.as_string());
      }
    }
    targets.delegation = std::move(delegation);
  }
  return targets;
}

Json Snapshot::signed_part() const {
  Json out = begun("snapshot", version, expires);
  Json meta{Json::Object{}};
  for (const auto& [name, number] : versions) meta.set(name, Json::object({{"version", number}}));
  out.set("meta", std::move(meta));
  return out;
}

Result<Snapshot> Snapshot::parse(const Json& signed_part) {
  ASSIGN_OR_RETURN(const Header header, header_of(signed_part, "snapshot"));
  Snapshot snapshot{.version = header.version, .expires = header.expires};
  const Json* meta = signed_part.find("meta");
  if (meta == nullptr || !meta->is_object()) return invalid("meta", "must be an object");
  for (const auto& [name, entry] : meta->as_object()) {
    ASSIGN_OR_RETURN(const std::uint64_t version, version_in(entry, "meta." + name));
    snapshot.versions.emplace(name, version);
  }
  return snapshot;
}

Json Timestamp::signed_part() const {
  Json out = begun("timestamp", version, expires);
  Json entry = snapshot ? json_of(*snapshot) : Json(Json::Object{});
  entry.set("version", snapshot_version);
  out.set("meta", Json::object({{"snapshot.json", std::move(entry)}}));
  return out;
}

Result<Timestamp> Timestamp::parse(const Json& signed_part) {
  ASSIGN_OR_RETURN(const Header header, header_of(signed_part, "timestamp"));
  Timestamp timestamp{.version = header.version, .expires = header.expires};
  const Json* meta = signed_part.find("meta");
  const Json* entry = meta == nullptr ? nullptr : meta->find("snapshot.json");
  if (entry == nullptr) return invalid("meta", "must name snapshot.json");
  ASSIGN_OR_RETURN(timestamp.snapshot_version, version_in(*entry, "meta.snapshot.json"));
  if (entry->find("hashes") != nullptr) {
    ASSIGN_OR_RETURN(timestamp.snapshot, facts_in(*entry, "meta.snapshot.json"));
  }
  return timestamp;
}

std::string versioned(std::uint64_t version, std::string_view name) {
  return std::to_string(version) + "." + std::string(name);
}

std::string hashed(std::string_view target, const FileFacts& facts) {
  const std::size_t slash = target.rfind('/');
  const std::size_t file = slash == std::string_view::npos ? 0 : slash + 1;
  return std::string(target.substr(0, file)) + facts.sha256 + "." + std::string(target.substr(file));
}

}  // namespace countersign::tuf
