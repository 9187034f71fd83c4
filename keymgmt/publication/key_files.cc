#include "keymgmt/publication/key_files.h"

#include <algorithm>
#include <set>

#include "common/text.h"

namespace countersign::publication {
namespace {

using keymgmt::Algorithm;
using keymgmt::KeySet;
using keymgmt::PublicKey;
using keymgmt::PublishedKey;
using keymgmt::Role;

bool may_count(const PublishedKey& key) {
  return keymgmt::verifies(key.state) && !key.compromised_since;
}

std::string stem_of(const PublishedKey& key) {
  return std::string(name_of(key.role)) + "/" + key.key.kid();
}

std::string allowed_signers_line(const PublishedKey& key) {
  const std::string role(name_of(key.role));
  std::string line =
      role + "@countersign namespaces=\"countersign-" + role + "\",valid-after=\"" + ssh_time(key.not_before) + "\"";
  if (key.not_after) line += ",valid-before=\"" + ssh_time(*key.not_after) + "\"";
  return line + " " + key.key.ssh_line(key.key.kid()) + "\n";
}

const PublishedKey* gait_key(const KeySet& keys, Role role) {
  if (const PublishedKey* active = keys.active(role, Algorithm::Ed25519)) return active;
  const PublishedKey* first = nullptr;
  for (const PublishedKey& key : keys.keys()) {
    const bool usable = key.role == role && key.key.algorithm() == Algorithm::Ed25519 && may_count(key) &&
                        key.state < keymgmt::KeyState::Active;
    if (usable && (first == nullptr || key.published_at < first->published_at)) first = &key;
  }
  return first;
}

Error differ(std::string_view file, std::string_view what) {
  return Error{ErrorCode::Internal, std::string(file) + " is not the key set's: " + std::string(what),
               "key_files_differ"};
}

Result<PublicKey> minisign_key(std::string_view text) {
  const std::size_t line = text.find('\n');
  if (line == std::string_view::npos) return differ("minisign", "it has one line");
  ASSIGN_OR_RETURN(const Bytes bytes, from_base64(trimmed(text.substr(line + 1))));
  if (bytes.size() != 42 || bytes[0] != 'E' || bytes[1] != 'd') return differ("minisign", "it is no Ed key");
  return PublicKey::from_raw(Algorithm::Ed25519, ByteView(bytes).subspan(10));
}

Status check_one(const Files& files, const std::string& path, const PublishedKey& key,
                 Result<PublicKey> (*read)(std::string_view)) {
  const auto file = files.find(path);
  if (file == files.end()) return differ(path, "it is missing");
  const Result<PublicKey> found = read(file->second);
  if (!found || found->kid() != key.key.kid()) return differ(path, "it holds another key");
  return ok();
}

Result<PublicKey> pem_key(std::string_view text) {
  return PublicKey::from_pem(text);
}

Result<PublicKey> jwk_key(const Json& jwk) {
  ASSIGN_OR_RETURN(Bytes raw, from_base64url(jwk.text("x")));
  if (jwk.text("kty") == "OKP") return PublicKey::from_raw(Algorithm::Ed25519, raw);
  ASSIGN_OR_RETURN(const Bytes y, from_base64url(jwk.text("y")));
  raw.insert(raw.begin(), 0x04);
  raw.insert(raw.end(), y.begin(), y.end());
  return PublicKey::from_raw(Algorithm::P256, raw);
}

Status check_jwks(const Files& files, const std::set<std::string>& counting) {
  ASSIGN_OR_RETURN(const Json jwks, Json::parse(files.at("jwks.json")));
  std::set<std::string> found;
  for (const Json& jwk : jwks.find("keys")->as_array()) {
    const Result<PublicKey> key = jwk_key(jwk);
    if (!key || key->kid() != jwk.text("kid")) return differ("jwks.json", "a kid is not the key's thumbprint");
    found.insert(key->kid());
  }
  return found == counting ? ok() : Status(differ("jwks.json", "it lists other keys"));
}

}  // namespace

std::string ssh_time(UtcTime moment) {
  std::string out;
  for (const char c : moment.whole_seconds().rfc3339()) {
    if ((c >= '0' && c <= '9') || c == 'Z') out += c;
  }
  return out;
}

Files key_files(const KeySet& keys) {
  Files files;
  std::string& allowed_signers = files["allowed_signers"];
  for (const PublishedKey& key : keys.keys()) {
    if (!may_count(key)) continue;
    allowed_signers += allowed_signers_line(key);
    files[stem_of(key) + ".pem"] = key.key.pem();
    const std::string minisign = key.key.minisign_text("countersign " + std::string(name_of(key.role)));
    if (!minisign.empty()) files[stem_of(key) + ".pub"] = minisign;
  }
  for (const Role role : keymgmt::kRoles) {
    const PublishedKey* key = gait_key(keys, role);
    if (key != nullptr) files[std::string(name_of(role)) + "/public.key"] = key->key.gait_text() + "\n";
  }
  files["jwks.json"] = keys.jwks().gait_file();
  files["keyset.json"] = keys.document().gait_file();
  return files;
}

Status check_key_files(const Files& files, const KeySet& keys) {
  ASSIGN_OR_RETURN(const Json document, Json::parse(files.at("keyset.json")));
  ASSIGN_OR_RETURN(const KeySet read, KeySet::parse(document));
  if (read.document() != keys.document()) return differ("keyset.json", "it reads back as another set");
  std::set<std::string> counting;
  std::string lines;
  for (const PublishedKey& key : keys.keys()) {
    if (!may_count(key)) continue;
    counting.insert(key.key.kid());
    lines += allowed_signers_line(key);
    RETURN_IF_ERROR(check_one(files, stem_of(key) + ".pem", key, pem_key));
    if (key.key.algorithm() == Algorithm::Ed25519) {
      RETURN_IF_ERROR(check_one(files, stem_of(key) + ".pub", key, minisign_key));
    }
  }
  for (const Role role : keymgmt::kRoles) {
    const std::string path = std::string(name_of(role)) + "/public.key";
    if (const PublishedKey* key = gait_key(keys, role)) {
      RETURN_IF_ERROR(check_one(files, path, *key, PublicKey::from_gait));
    } else if (files.contains(path)) {
      return differ(path, "the role has no such key");
    }
  }
  if (files.at("allowed_signers") != lines) return differ("allowed_signers", "it lists other keys");
  return check_jwks(files, counting);
}

std::vector<std::string> dropped_key_files(const KeySet& keys) {
  std::vector<std::string> paths;
  for (const PublishedKey& key : keys.keys()) {
    if (may_count(key)) continue;
    paths.push_back(stem_of(key) + ".pem");
    paths.push_back(stem_of(key) + ".pub");
  }
  for (const Role role : keymgmt::kRoles) {
    if (gait_key(keys, role) == nullptr) paths.push_back(std::string(name_of(role)) + "/public.key");
  }
  return paths;
}

}  // namespace countersign::publication
