#include "signer/config/config.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <utility>

#include "common/durable_file.h"
#include "signer/config/roster.h"
#include "signer/config/sections.h"

namespace countersign::config {
namespace {

constexpr std::string_view kDefaultSocket = "/run/countersign/sign.sock";

void read_sockets(Reading& reading, YamlFields& document) {
  static const YamlNode kNothing;
  const YamlNode* node = document.take("sockets");
  YamlFields fields(node == nullptr ? kNothing : *node, "sockets");
  Findings& findings = reading.findings;
  Config& config = reading.config;
  config.sign_socket = reading.absolute(findings.keep(fields.text("sign", kDefaultSocket)));
  const std::filesystem::path folder = std::filesystem::path(config.sign_socket).parent_path();
  config.admin_socket = reading.absolute(findings.keep(fields.text("admin", (folder / "admin.sock").string())));
  config.public_socket = reading.absolute(findings.keep(fields.text("public", (folder / "public.sock").string())));
  for (const std::string& path : {config.sign_socket, config.admin_socket, config.public_socket}) {
    if (path.empty() || path.ends_with('/')) findings.error("sockets", "needs a path for each socket");
  }
  if (config.sign_socket == config.admin_socket || config.sign_socket == config.public_socket ||
      config.admin_socket == config.public_socket) {
    findings.error("sockets", "must be three different paths: each socket serves other people");
  }
  const std::string mode = findings.keep(fields.text("mode", "0660"));
  const bool octal = mode.size() >= 3 && mode.size() <= 4 && mode.find_first_not_of("01234567") == std::string::npos;
  config.socket_mode = octal ? static_cast<std::uint32_t>(std::stoul(mode, nullptr, 8)) : 0660;
  if (!octal || config.socket_mode > 0777 || (config.socket_mode & 0600) != 0600) {
    findings.error("sockets.mode", "must be octal digits such as 0660");
  } else if ((config.socket_mode & 07) != 0) {
    findings.warning("sockets.mode", "lets every local user connect; `peers` still decides what they may do");
  }
  findings.keep(fields.finish());
}

void read_publication(Reading& reading, YamlFields& document) {
  Findings& findings = reading.findings;
  Config& config = reading.config;
  const YamlNode* node = document.take("publication");
  if (node == nullptr) {
    return findings.warning("publication", "is missing: verifiers can fetch keys from the socket only");
  }
  YamlFields fields(*node, "publication");
  config.publication = reading.absolute(findings.keep(fields.required_text("directory")));
  config.publication_lifetime = findings.keep(fields.duration("lifetime", config.publication_lifetime));
  config.publication_refresh = findings.keep(fields.duration("refresh", config.publication_refresh));
  config.publication_skew = findings.keep(fields.duration("clock_skew", config.publication_skew));
  config.publication_roster = reading.absolute(findings.keep(fields.text("roster", "")));
  if (const Result<Roster> roster = read_roster(config.publication_roster); !roster) {
    findings.error("publication.roster", roster.error().detail, roster.error().hint);
  }
  if (config.publication_refresh >= config.publication_lifetime) {
    findings.error("publication.refresh", "must be shorter than publication.lifetime, or verifiers see stale keys");
  }
  findings.keep(fields.finish());
}

void read_small_sections(Reading& reading, YamlFields& document) {
  static const YamlNode kNothing;
  Findings& findings = reading.findings;
  Config& config = reading.config;

  const YamlNode* gate = document.take("gate");
  YamlFields gate_fields(gate == nullptr ? kNothing : *gate, "gate");
  const std::string evidence = findings.keep(gate_fields.text("context_evidence", "envelope"));
  if (evidence != "envelope" && evidence != "intent") {
    findings.error("gate.context_evidence", "must be envelope or intent");
  }
  config.context_claims = evidence == "intent";
  if (config.context_claims) {
    findings.warning("gate.context_evidence", "lets an intent's own claims count as context evidence");
  }
  findings.keep(gate_fields.finish());

  read_log(reading, document);

  const YamlNode* releases = document.take("releases");
  YamlFields release_fields(releases == nullptr ? kNothing : *releases, "releases");
  config.release_approvals = findings.keep(release_fields.integer("approvals", 0, 0, 16));
  findings.keep(release_fields.finish());

  const YamlNode* confinement = document.take("confinement");
  YamlFields confinement_fields(confinement == nullptr ? kNothing : *confinement, "confinement");
  config.confinement_mandatory = findings.keep(confinement_fields.boolean("mandatory", true), true);
  if (!config.confinement_mandatory) {
    findings.warning("confinement.mandatory", "is false: the signer starts even where a protection is missing");
  }
  findings.keep(confinement_fields.finish());

  if (config.trial) {
    findings.warning("trial", "is true: one user may request and approve; never in production");
  }
}

struct Read {
  Config config;
  std::vector<Finding> findings;
};

Read read_text(std::string_view text, const std::string& path) {
  Read read;
  Findings findings;
  std::error_code error;
  const std::filesystem::path whole = std::filesystem::absolute(path, error);
  read.config.path = error ? path : whole.lexically_normal().string();
  const Result<YamlNode> document = parse_yaml(text, YamlLimits{});
  if (!document) {
    findings.error("", document.error().detail);
  } else {
    Reading reading{read.config, findings, std::filesystem::path(read.config.path).parent_path().string()};
    read_document(reading, *document);
  }
  read.findings = findings.all();
  return read;
}

Result<std::string> read_configuration_file(const std::string& path) {
  Result<std::string> text = read_file(path);
  if (text) return text;
  Error error = std::move(text).error();
  error.code = error.code == ErrorCode::NotFound ? ErrorCode::NotFound : ErrorCode::Invalid;
  return error;
}

}  // namespace

void read_document(Reading& reading, const YamlNode& document) {
  YamlFields fields(document, "");
  reading.config.state = reading.absolute(reading.findings.keep(fields.required_text("state")));
  reading.config.trial = reading.findings.keep(fields.boolean("trial", false));
  read_sockets(reading, fields);
  read_tokens(reading, fields);
  read_users(reading, fields);
  read_roles(reading, fields);
  read_peers(reading, fields);
  read_approvers(reading, fields);
  read_approvals(reading, fields);
  read_security_owner(reading, fields);
  read_publication(reading, fields);
  read_limits(reading, fields);
  read_small_sections(reading, fields);
  reading.findings.keep(fields.finish());
}

Result<Config> parse(std::string_view text, const std::string& path) {
  Read read = read_text(text, path);
  for (const Finding& finding : read.findings) {
    if (finding.error) return Error{ErrorCode::Invalid, path + ": " + finding.text(), "", finding.hint};
  }
  return std::move(read.config);
}

Result<Config> load(const std::string& path) {
  ASSIGN_OR_RETURN(const std::string text, read_configuration_file(path));
  return parse(text, path);
}

std::vector<Finding> check(const std::string& path) {
  const Result<std::string> text = read_configuration_file(path);
  if (!text) return {Finding{true, "", text.error().detail, ""}};
  return read_text(*text, path).findings;
}

uid_t Config::front_uid() const {
  return front_user ? front_user->uid : geteuid();
}

const TokenConfig* Config::token(std::string_view name) const {
  const auto found =
      std::find_if(tokens.begin(), tokens.end(), [&](const TokenConfig& one) { return one.name == name; });
  return found == tokens.end() ? nullptr : &*found;
}

const RoleConfig* Config::role(keymgmt::Role role) const {
  const auto found = std::find_if(roles.begin(), roles.end(), [&](const RoleConfig& one) { return one.role == role; });
  return found == roles.end() ? nullptr : &*found;
}

const ApproverConfig* Config::approver(std::string_view identity_key) const {
  const auto found = std::find_if(approvers.begin(), approvers.end(),
                                  [&](const ApproverConfig& one) { return one.identity_key == identity_key; });
  return found == approvers.end() ? nullptr : &*found;
}

int Config::min_approvals(const Digest& policy) const {
  const auto found =
      std::find_if(policies.begin(), policies.end(), [&](const PolicyConfig& one) { return one.digest == policy; });
  return found == policies.end() ? 0 : found->min_approvals;
}

}  // namespace countersign::config
