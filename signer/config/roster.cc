#include "signer/config/roster.h"

#include <algorithm>

#include "common/durable_file.h"
#include "common/strict_yaml.h"
#include "common/text.h"

namespace countersign::config {
namespace {

Result<std::vector<keymgmt::Role>> role_names(YamlFields& fields, std::string_view member) {
  ASSIGN_OR_RETURN(const std::vector<std::string> names, fields.texts(member));
  std::vector<keymgmt::Role> roles;
  for (const std::string& name : names) {
    const std::optional<keymgmt::Role> role = keymgmt::role_named(name);
    if (!role) return Error{ErrorCode::Invalid, fields.path_of(member) + " is no role: " + name};
    roles.push_back(*role);
  }
  return roles;
}

Result<Verifier> verifier_of(const YamlNode& node, const std::string& path) {
  Verifier verifier;
  YamlFields fields(node, path);
  ASSIGN_OR_RETURN(verifier.name, fields.required_text("name"));
  ASSIGN_OR_RETURN(verifier.roles, role_names(fields, "roles"));
  ASSIGN_OR_RETURN(const std::string ssh_key, fields.text("ssh_key", ""));
  verifier.ssh_key = std::string(trimmed(ssh_key));
  ASSIGN_OR_RETURN(verifier.pem, fields.text("pem", ""));
  if (!verifier.pem.empty() && !verifier.pem.ends_with('\n')) verifier.pem += '\n';
  RETURN_IF_ERROR(fields.finish());
  if (verifier.ssh_key.empty() == verifier.pem.empty()) {
    return Error{ErrorCode::Invalid, path + " must have exactly one of ssh_key and pem", "",
                 "the verifier's own public key: it signs its acknowledgements with it"};
  }
  return verifier;
}

Status check_distinct(const Roster& roster, const Verifier& verifier) {
  for (const Verifier& other : roster.verifiers) {
    if (other.name == verifier.name) return Error{ErrorCode::Invalid, "names " + verifier.name + " twice"};
    if (other.ssh_key == verifier.ssh_key && other.pem == verifier.pem) {
      return Error{ErrorCode::Invalid, "gives " + verifier.name + " and " + other.name + " one key", "",
                   "an acknowledgement speaks for one verifier"};
    }
  }
  return ok();
}

Result<Roster> roster_in(const std::string& path) {
  ASSIGN_OR_RETURN(const std::string text, read_file(path));
  ASSIGN_OR_RETURN(const YamlNode document, parse_yaml(text, YamlLimits{}));
  YamlFields fields(document, "");
  Roster roster;
  const YamlNode* list = fields.take("verifiers");
  if (list == nullptr || list->kind != YamlNode::Kind::Sequence) {
    return Error{ErrorCode::Invalid, "verifiers must be a list"};
  }
  for (std::size_t i = 0; i < list->sequence.size(); ++i) {
    ASSIGN_OR_RETURN(Verifier verifier, verifier_of(list->sequence[i], "verifiers[" + std::to_string(i) + "]"));
    RETURN_IF_ERROR(check_distinct(roster, verifier));
    roster.verifiers.push_back(std::move(verifier));
  }
  ASSIGN_OR_RETURN(roster.closed, role_names(fields, "closed"));
  RETURN_IF_ERROR(fields.finish());
  for (const keymgmt::Role role : roster.closed) {
    if (!roster.closed_for(role).empty()) continue;
    return Error{ErrorCode::Invalid, "closes " + std::string(keymgmt::name_of(role)) + ", but lists no verifier of it"};
  }
  return roster;
}

}  // namespace

const Verifier* Roster::find(std::string_view name) const {
  const auto found =
      std::find_if(verifiers.begin(), verifiers.end(), [&](const Verifier& each) { return each.name == name; });
  return found == verifiers.end() ? nullptr : &*found;
}

std::vector<std::string> Roster::closed_for(keymgmt::Role role) const {
  std::vector<std::string> names;
  if (std::find(closed.begin(), closed.end(), role) == closed.end()) return names;
  for (const Verifier& verifier : verifiers) {
    const bool concerned =
        verifier.roles.empty() || std::find(verifier.roles.begin(), verifier.roles.end(), role) != verifier.roles.end();
    if (concerned) names.push_back(verifier.name);
  }
  return names;
}

keymgmt::Rosters Roster::rosters() const {
  keymgmt::Rosters out;
  for (const keymgmt::Role role : closed) out.emplace(role, closed_for(role));
  return out;
}

Json Roster::to_json() const {
  const auto names_of = [](const std::vector<keymgmt::Role>& roles) {
    Json::Array names;
    for (const keymgmt::Role role : roles) names.emplace_back(keymgmt::name_of(role));
    return Json(std::move(names));
  };
  Json::Array listed;
  for (const Verifier& verifier : verifiers) {
    Json entry = Json::object({{"name", verifier.name}, {"roles", names_of(verifier.roles)}});
    if (!verifier.ssh_key.empty()) entry.set("ssh_key", verifier.ssh_key);
    if (!verifier.pem.empty()) entry.set("pem", verifier.pem);
    listed.push_back(std::move(entry));
  }
  return Json::object({{"closed", names_of(closed)}, {"verifiers", std::move(listed)}});
}

Result<Roster> read_roster(const std::string& path) {
  if (path.empty()) return Roster();
  Result<Roster> roster = roster_in(path);
  if (roster) return roster;
  Error error = std::move(roster).error();
  error.code = ErrorCode::Invalid;
  error.detail = "publication.roster: " + path + " " + error.detail;
  return error;
}

}  // namespace countersign::config
