#include "signer/config/holder_settings.h"

#include <algorithm>
#include <limits>

#include "common/durable_file.h"
#include "common/json_fields.h"

namespace countersign::config {
namespace {

constexpr std::int64_t kMost = std::numeric_limits<std::int64_t>::max();

struct ReachRow {
  TokenConfig::Confinement confinement;
  std::string_view name;
};
constexpr ReachRow kReaches[] = {{TokenConfig::Confinement::File, "file"},
                                 {TokenConfig::Confinement::LocalSocket, "local_socket"},
                                 {TokenConfig::Confinement::Network, "network"}};

Json token_json(const TokenConfig& token) {
  Json::Object environment;
  for (const auto& [name, value] : token.environment) environment.emplace_back(name, Json(value));
  std::string_view reach;
  for (const ReachRow& row : kReaches) {
    if (row.confinement == token.confinement) reach = row.name;
  }
  return Json::object({{"name", token.name},
                       {"module", token.module},
                       {"environment", std::move(environment)},
                       {"label", token.label},
                       {"serial", token.serial},
                       {"confinement", reach},
                       {"trust", name_of(token.trust)}});
}

Result<TokenConfig> token_from(const Json& json) {
  JsonFields fields(json, "token");
  TokenConfig token;
  ASSIGN_OR_RETURN(token.name, fields.text("name"));
  ASSIGN_OR_RETURN(token.module, fields.text("module"));
  ASSIGN_OR_RETURN(const Json* environment, fields.required("environment"));
  if (!environment->is_object()) return fields.wrong("environment", "is not an object");
  for (const Json::Member& variable : environment->as_object()) {
    if (!variable.second.is_string()) return fields.wrong("environment", "holds what is no text");
    token.environment.emplace(variable.first, variable.second.as_string());
  }
  ASSIGN_OR_RETURN(token.label, fields.text("label"));
  ASSIGN_OR_RETURN(token.serial, fields.text("serial"));
  if (token.label.empty() && token.serial.empty()) return fields.wrong("label", "and serial are both empty");
  ASSIGN_OR_RETURN(const std::string reach, fields.text("confinement"));
  const auto* row = std::find_if(std::begin(kReaches), std::end(kReaches),
                                 [&](const ReachRow& candidate) { return candidate.name == reach; });
  if (row == std::end(kReaches)) return fields.wrong("confinement", "is not file, local_socket or network");
  token.confinement = row->confinement;
  ASSIGN_OR_RETURN(const std::string trust, fields.text("trust"));
  if (trust != "binding" && trust != "claimed") return fields.wrong("trust", "is not binding or claimed");
  token.trust = trust == "binding" ? TokenConfig::Trust::Binding : TokenConfig::Trust::Claimed;
  RETURN_IF_ERROR(fields.finish());
  return token;
}

Json approver_json(const ApproverConfig& approver) {
  Json json = Json::object({{"identity", approver.identity},
                            {"identity_key", approver.identity_key},
                            {"ssh_key", approver.ssh_key},
                            {"scopes", Json::array(approver.scopes)}});
  if (approver.unix_uid) json.set("unix_uid", std::int64_t{*approver.unix_uid});
  if (approver.max_ttl) json.set("max_ttl", std::int64_t{approver.max_ttl->count()});
  return json;
}

Result<ApproverConfig> approver_from(const Json& json) {
  JsonFields fields(json, "approvers");
  ApproverConfig approver;
  ASSIGN_OR_RETURN(approver.identity, fields.text("identity"));
  ASSIGN_OR_RETURN(approver.identity_key, fields.text("identity_key"));
  ASSIGN_OR_RETURN(approver.ssh_key, fields.text("ssh_key"));
  ASSIGN_OR_RETURN(approver.scopes, fields.texts("scopes"));
  if (json.find("unix_uid") != nullptr) {
    ASSIGN_OR_RETURN(const std::int64_t uid, fields.integer("unix_uid", 0, std::numeric_limits<std::uint32_t>::max()));
    approver.unix_uid = static_cast<std::uint32_t>(uid);
  }
  if (json.find("max_ttl") != nullptr) {
    ASSIGN_OR_RETURN(const std::int64_t ttl, fields.integer("max_ttl", 1, kMost));
    approver.max_ttl = std::chrono::nanoseconds(ttl);
  }
  RETURN_IF_ERROR(fields.finish());
  return approver;
}

Json approvals_json(const ApprovalsConfig& approvals) {
  Json::Array high_risk;
  for (const HighRiskScope& scope : approvals.high_risk) {
    high_risk.push_back(Json::object({{"scope", scope.scope}, {"max_ttl", std::int64_t{scope.max_ttl.count()}}}));
  }
  return Json::object({{"max_ttl", std::int64_t{approvals.max_ttl.count()}}, {"high_risk", std::move(high_risk)}});
}

Result<ApprovalsConfig> approvals_from(const Json& json) {
  JsonFields fields(json, "approvals");
  ApprovalsConfig approvals;
  ASSIGN_OR_RETURN(const std::int64_t most, fields.integer("max_ttl", 1, kMost));
  approvals.max_ttl = std::chrono::nanoseconds(most);
  ASSIGN_OR_RETURN(const Json::Array* high_risk, fields.array("high_risk"));
  for (const Json& entry : *high_risk) {
    JsonFields of_scope(entry, "approvals.high_risk");
    HighRiskScope scope;
    ASSIGN_OR_RETURN(scope.scope, of_scope.text("scope"));
    ASSIGN_OR_RETURN(const std::int64_t ttl, of_scope.integer("max_ttl", 1, kMost));
    scope.max_ttl = std::chrono::nanoseconds(ttl);
    RETURN_IF_ERROR(of_scope.finish());
    approvals.high_risk.push_back(std::move(scope));
  }
  RETURN_IF_ERROR(fields.finish());
  return approvals;
}

}  // namespace

Json HolderSettings::to_json() const {
  Json::Array names;
  for (const keymgmt::Algorithm algorithm : algorithms) names.emplace_back(name_of(algorithm));
  Json::Array roster;
  for (const ApproverConfig& approver : approvers) roster.push_back(approver_json(approver));
  return Json::object({{"role", name_of(role)},
                       {"index", index},
                       {"algorithms", std::move(names)},
                       {"token", token_json(token)},
                       {"approvers", std::move(roster)},
                       {"approvals", approvals_json(approvals)},
                       {"set_lifetime", std::int64_t{set_lifetime.count()}},
                       {"locks", locks},
                       {"anchors", anchors},
                       {"confinement_mandatory", confinement_mandatory},
                       {"profile", profile},
                       {"memory", std::uint64_t{memory}}});
}

Result<HolderSettings> HolderSettings::from_json(const Json& json) {
  JsonFields fields(json, "");
  HolderSettings settings;
  ASSIGN_OR_RETURN(const std::string role, fields.text("role"));
  const std::optional<keymgmt::Role> known = keymgmt::role_named(role);
  if (!known) return fields.wrong("role", "is not a role");
  settings.role = *known;
  ASSIGN_OR_RETURN(const std::int64_t index, fields.integer("index", 0, 1023));
  settings.index = static_cast<int>(index);
  ASSIGN_OR_RETURN(const std::vector<std::string> names, fields.texts("algorithms"));
  for (const std::string& name : names) {
    const std::optional<keymgmt::Algorithm> algorithm = keymgmt::algorithm_named(name);
    if (!algorithm) return fields.wrong("algorithms", "holds what is not ed25519 or p256");
    settings.algorithms.push_back(*algorithm);
  }
  if (names.empty()) return fields.wrong("algorithms", "is empty");
  ASSIGN_OR_RETURN(const Json* token, fields.required("token"));
  ASSIGN_OR_RETURN(settings.token, token_from(*token));
  ASSIGN_OR_RETURN(const Json::Array* approvers, fields.array("approvers"));
  for (const Json& entry : *approvers) {
    ASSIGN_OR_RETURN(ApproverConfig approver, approver_from(entry));
    settings.approvers.push_back(std::move(approver));
  }
  ASSIGN_OR_RETURN(const Json* approvals, fields.required("approvals"));
  ASSIGN_OR_RETURN(settings.approvals, approvals_from(*approvals));
  ASSIGN_OR_RETURN(const std::int64_t lifetime, fields.integer("set_lifetime", 0, kMost));
  settings.set_lifetime = std::chrono::nanoseconds(lifetime);
  ASSIGN_OR_RETURN(settings.locks, fields.text("locks"));
  ASSIGN_OR_RETURN(settings.anchors, fields.boolean("anchors"));
  ASSIGN_OR_RETURN(settings.confinement_mandatory, fields.boolean("confinement_mandatory"));
  ASSIGN_OR_RETURN(settings.profile, fields.text("profile"));
  ASSIGN_OR_RETURN(const std::int64_t memory, fields.integer("memory", 1, kMost));
  settings.memory = static_cast<std::size_t>(memory);
  RETURN_IF_ERROR(fields.finish());
  return settings;
}

HolderSettings holder_settings(const Config& config, keymgmt::Role role, int index, std::string_view token) {
  const RoleConfig& of_role = *config.role(role);
  HolderSettings settings;
  settings.role = role;
  settings.index = index;
  settings.algorithms = of_role.algorithms;
  settings.token = *config.token(token);
  settings.token.pin = {};
  if (role == keymgmt::Role::Approval) {
    settings.approvers = config.approvers;
    settings.approvals = config.approvals;
  }
  if (role == keymgmt::Role::Publication) settings.set_lifetime = config.publication_lifetime;
  settings.locks = config.state + "/holders";
  settings.anchors = role == keymgmt::Role::Trace && index == 0;
  settings.confinement_mandatory = config.confinement_mandatory;
  settings.memory = config.limits.holder_memory;
  Result<std::string> profile = read_file(config.profile_file(token));
  if (profile) settings.profile = *std::move(profile);
  return settings;
}

}  // namespace countersign::config
