#include "keymgmt/ceremony/quorum.h"

#include <algorithm>
#include <set>

#include "common/json_fields.h"
#include "common/text.h"
#include "signer/statement/approval_proof.h"

namespace countersign::ceremony {
namespace {

constexpr int kMostCustodians = 32;

Error invalid(const std::string& path, std::string what) {
  return Error{ErrorCode::Invalid, path + " " + std::move(what)};
}

Result<Custodian> custodian_of(std::string name, const std::string& root_key, std::vector<std::string> ssh_keys,
                               const std::string& path) {
  Custodian custodian;
  ASSIGN_OR_RETURN(custodian.name_key, identity_key(name));
  custodian.name = std::move(name);
  if (!root_key.empty()) {
    Result<keymgmt::PublicKey> key = keymgmt::PublicKey::from_pem(root_key);
    if (!key) return invalid(path + ".root_key", "is no Ed25519 or P-256 public key: " + key.error().detail);
    custodian.root_key = *std::move(key);
  }
  for (std::string& line : ssh_keys) {
    line = std::string(trimmed(line));
    if (const Result<std::string> known = statement::ssh_fingerprint(line); !known) {
      return invalid(path + ".ssh_keys", "holds no SSH public key: " + known.error().detail);
    }
  }
  custodian.ssh_keys = std::move(ssh_keys);
  if (!custodian.root_key && custodian.ssh_keys.empty()) return invalid(path, "has no key");
  return custodian;
}

// Two names for one person, or one key under two names, would make one person two.
Status check_distinct(const std::vector<Custodian>& custodians, const std::string& path) {
  std::set<std::string> names;
  std::set<std::string> keys;
  for (const Custodian& custodian : custodians) {
    if (!names.insert(custodian.name_key).second) return invalid(path, "names " + custodian.name + " twice");
    std::set<std::string> own;
    if (custodian.root_key) own.insert(to_hex(custodian.root_key->spki()));
    for (const std::string& line : custodian.ssh_keys) {
      ASSIGN_OR_RETURN(const std::string fingerprint, statement::ssh_fingerprint(line));
      own.insert(fingerprint);
    }
    // The root key may be an SSH key of the same person: it is one key.
    if (custodian.root_key) {
      const Result<std::string> as_ssh = statement::ssh_fingerprint(custodian.root_key->ssh_line(""));
      if (as_ssh) own.insert(*as_ssh);
    }
    for (const std::string& key : own) {
      if (!keys.insert(key).second) return invalid(path, "gives " + custodian.name + " a key that another has");
    }
  }
  return ok();
}

Result<Quorum> checked(Quorum quorum, const std::string& path) {
  RETURN_IF_ERROR(check_distinct(quorum.custodians, path));
  const int all = static_cast<int>(quorum.custodians.size());
  if (all > kMostCustodians) return invalid(path, "has more than 32 custodians");
  if (quorum.threshold < 2) {
    return Error{ErrorCode::Refused,
                 path + ": a threshold of " + std::to_string(quorum.threshold) + " lets one person decide alone",
                 "quorum_too_small", "at least 2 of 3 custodians"};
  }
  if (quorum.threshold >= all) {
    return Error{ErrorCode::Refused,
                 path + ": a threshold of " + std::to_string(quorum.threshold) + " of " + std::to_string(all) +
                     " custodians ends with the first lost key",
                 "threshold_not_below_all", "name more custodians than must sign"};
  }
  return quorum;
}

}  // namespace

const Custodian* Quorum::find(std::string_view name) const {
  const Result<std::string> key = identity_key(name);
  if (!key) return nullptr;
  const auto found = std::ranges::find(custodians, *key, &Custodian::name_key);
  return found == custodians.end() ? nullptr : &*found;
}

std::vector<keymgmt::PublicKey> Quorum::root_keys() const {
  std::vector<keymgmt::PublicKey> keys;
  for (const Custodian& custodian : custodians) {
    if (!custodian.root_key) return {};
    keys.push_back(*custodian.root_key);
  }
  return keys;
}

Json Quorum::to_json() const {
  Json::Array people;
  for (const Custodian& custodian : custodians) {
    Json person = Json::object({{"name", custodian.name}});
    if (custodian.root_key) person.set("root_key", custodian.root_key->pem());
    if (!custodian.ssh_keys.empty()) person.set("ssh_keys", Json::array(custodian.ssh_keys));
    people.push_back(std::move(person));
  }
  return Json::object({{"threshold", threshold}, {"custodians", std::move(people)}});
}

Result<Quorum> read_quorum(const YamlNode& node, const std::string& path) {
  YamlFields fields(node, path);
  Quorum quorum;
  ASSIGN_OR_RETURN(const std::int64_t threshold, fields.integer("threshold", 0, 0, 1000));
  quorum.threshold = static_cast<int>(threshold);
  const YamlNode* people = fields.take("custodians");
  if (people == nullptr || people->kind != YamlNode::Kind::Sequence) {
    return invalid(path + ".custodians", "must be a list");
  }
  for (const YamlNode& person : people->sequence) {
    const std::string place = path + ".custodians";
    YamlFields facts(person, place);
    ASSIGN_OR_RETURN(std::string name, facts.required_text("name"));
    ASSIGN_OR_RETURN(const std::string root_key, facts.text("root_key", ""));
    ASSIGN_OR_RETURN(std::vector<std::string> ssh_keys, facts.texts("ssh_keys"));
    RETURN_IF_ERROR(facts.finish());
    ASSIGN_OR_RETURN(Custodian custodian, custodian_of(std::move(name), root_key, std::move(ssh_keys), place));
    quorum.custodians.push_back(std::move(custodian));
  }
  RETURN_IF_ERROR(fields.finish());
  return checked(std::move(quorum), path);
}

Result<Quorum> read_quorum(const Json& json) {
  JsonFields fields(json, "quorum");
  Quorum quorum;
  ASSIGN_OR_RETURN(const std::int64_t threshold, fields.integer("threshold", 0, 1000));
  quorum.threshold = static_cast<int>(threshold);
  ASSIGN_OR_RETURN(const Json::Array* people, fields.array("custodians"));
  for (const Json& person : *people) {
    JsonFields facts(person, "quorum.custodians");
    ASSIGN_OR_RETURN(std::string name, facts.text("name"));
    std::string root_key;
    std::vector<std::string> ssh_keys;
    if (person.find("root_key") != nullptr) {
      ASSIGN_OR_RETURN(root_key, facts.text("root_key"));
    }
    if (person.find("ssh_keys") != nullptr) {
      ASSIGN_OR_RETURN(ssh_keys, facts.texts("ssh_keys"));
    }
    RETURN_IF_ERROR(facts.finish());
    ASSIGN_OR_RETURN(Custodian custodian,
                     custodian_of(std::move(name), root_key, std::move(ssh_keys), "quorum.custodians"));
    quorum.custodians.push_back(std::move(custodian));
  }
  RETURN_IF_ERROR(fields.finish());
  return checked(std::move(quorum), "quorum");
}

}  // namespace countersign::ceremony
