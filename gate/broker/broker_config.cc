#include "gate/broker/broker_config.h"

#include <algorithm>
#include <array>
#include <filesystem>

#include "common/durable_file.h"
#include "common/secret_source.h"
#include "common/strict_yaml.h"
#include "common/text.h"
#include "gate/broker/pattern.h"

namespace countersign::broker {
namespace {

constexpr std::chrono::hours kLongestBreakGlass{1};

struct ModeRow {
  GrantMode mode;
  std::string_view name;
};
constexpr ModeRow kModes[] = {{GrantMode::Allowlist, "allowlist"},
                              {GrantMode::Once, "once"},
                              {GrantMode::Uses, "uses"},
                              {GrantMode::Until, "until"},
                              {GrantMode::BreakGlass, "break_glass"}};
constexpr std::size_t kShortestSecret = 16;
constexpr std::string_view kDefaultAgent = "default";
constexpr std::size_t kLongestUrl = 2048;

Error wrong(const std::string& path, const std::string& what, std::string hint = {}) {
  return Error{ErrorCode::Invalid, path + " " + what, "bad_configuration", std::move(hint)};
}

// The file that is being read.
struct Place {
  BrokerConfig& config;
  std::string folder;

  std::string absolute(const std::string& path) const {
    if (path.empty()) return path;
    return (std::filesystem::path(folder) / path).lexically_normal().string();
  }
  std::vector<std::string> absolute(std::vector<std::string> paths) const {
    for (std::string& path : paths) path = absolute(path);
    return paths;
  }
};

Result<std::vector<std::string>> read_patterns(YamlFields& fields, std::string_view member) {
  ASSIGN_OR_RETURN(std::vector<std::string> patterns, fields.texts(member));
  for (const std::string& each : patterns) {
    if (const Status good = check_pattern(each); !good) {
      return wrong(fields.path_of(member), "holds \"" + each + "\": " + good.error().detail);
    }
  }
  return patterns;
}

Result<AgentLists> read_lists(YamlFields& fields) {
  AgentLists lists;
  ASSIGN_OR_RETURN(lists.allow, read_patterns(fields, "allow"));
  ASSIGN_OR_RETURN(lists.deny, read_patterns(fields, "deny"));
  ASSIGN_OR_RETURN(lists.servers, read_patterns(fields, "servers"));
  return lists;
}

Result<AgentConfig> read_agent(const Place& place, YamlFields& fields) {
  AgentConfig agent;
  ASSIGN_OR_RETURN(agent.uid, read_uid(fields));
  ASSIGN_OR_RETURN(const std::string secret, fields.text("secret", ""));
  if (!secret.empty()) {
    ASSIGN_OR_RETURN(agent.secret, secret_digest(place.absolute(secret)));
  }
  ASSIGN_OR_RETURN(agent.lists, read_lists(fields));
  if (!agent.uid && !agent.secret) {
    return wrong(fields.path_of("uid"), "is missing: an agent is known by its user or by its secret",
                 "uid: N, user: NAME or secret: FILE");
  }
  return agent;
}

Status read_agents(const Place& place, YamlFields& document) {
  const YamlNode* node = document.take("agents");
  if (node == nullptr) return wrong("agents", "is missing: nobody could call anything");
  if (node->kind != YamlNode::Kind::Map) return wrong("agents", "is no mapping");
  for (const auto& [name, value] : node->map) {
    RETURN_IF_ERROR(check_tool_id(name));
    YamlFields fields(value, "agents." + name);
    if (name == kDefaultAgent) {
      ASSIGN_OR_RETURN(place.config.everybodys, read_lists(fields));
    } else {
      ASSIGN_OR_RETURN(AgentConfig agent, read_agent(place, fields));
      const bool taken = std::ranges::any_of(place.config.agents, [&](const auto& other) {
        return agent.uid && other.second.uid == agent.uid && !(agent.secret && other.second.secret);
      });
      if (taken) return wrong("agents." + name, "has the user of another agent, and not both have a secret");
      const bool alike = std::ranges::any_of(place.config.agents, [&](const auto& other) {
        const bool one_user = !agent.uid || !other.second.uid || agent.uid == other.second.uid;
        return one_user && agent.secret && agent.secret == other.second.secret;
      });
      if (alike) return wrong("agents." + name, "has the secret of another agent: each could say it is the other");
      place.config.agents.emplace(name, std::move(agent));
    }
    RETURN_IF_ERROR(fields.finish());
  }
  return ok();
}

Status read_people(BrokerConfig& config, YamlFields& document) {
  const YamlNode* node = document.take("people");
  if (node == nullptr) return ok();
  ASSIGN_OR_RETURN(config.people, read_users(*node, "people"));
  return ok();
}

// Nobody judges what they asked for.
Status check_people(const BrokerConfig& config) {
  if (config.trial) return ok();
  for (const auto& [name, agent] : config.agents) {
    if (agent.uid && config.people.contains(*agent.uid)) {
      return wrong("people", "holds the user of the agent " + name + ", who could approve its own calls");
    }
    if (agent.uid && config.notify.repliers.contains(*agent.uid)) {
      return wrong("notify.replies", "holds the user of the agent " + name + ", who could answer for people");
    }
  }
  return ok();
}

// Plain HTTP stays on this host: on the way to another one anybody could read and answer calls.
bool is_server_url(std::string_view url) {
  const bool plain = std::ranges::all_of(url, [](char c) { return c > ' ' && c <= '~' && c != '@' && c != '#'; });
  if (!plain || url.size() > kLongestUrl) return false;
  if (url.starts_with("http://")) return is_loopback(url);
  constexpr std::string_view kSecure = "https://";
  return url.starts_with(kSecure) && url.size() > kSecure.size();
}

Result<ServerConfig> read_url_server(const Place& place, YamlFields& fields) {
  ServerConfig server;
  ASSIGN_OR_RETURN(server.url, fields.text("url", ""));
  if (!is_server_url(server.url)) {
    return wrong(fields.path_of("url"),
                 "must be https://…, or http://127.0.0.1…, [::1] or localhost, without user or #");
  }
  if (fields.has("command")) return wrong(fields.path_of("command"), "does not go with url");
  ASSIGN_OR_RETURN(const std::string token, fields.text("token", ""));
  server.token = place.absolute(token);
  ASSIGN_OR_RETURN(const std::string ca, fields.text("ca", ""));
  server.ca = place.absolute(ca);
  ASSIGN_OR_RETURN(server.unvetted, fields.boolean("unvetted", false));
  return server;
}

Result<ServerConfig> read_program(const Place& place, YamlFields& fields) {
  ServerConfig server;
  ASSIGN_OR_RETURN(server.command, fields.texts("command"));
  if (server.command.empty()) return wrong(fields.path_of("command"), "is missing");
  server.command.front() = place.absolute(server.command.front());
  if (const YamlNode* environment = fields.take("environment")) {
    if (environment->kind != YamlNode::Kind::Map) return wrong(fields.path_of("environment"), "is no mapping");
    for (const auto& [variable, value] : environment->map) {
      if (value.kind != YamlNode::Kind::Scalar) return wrong(fields.path_of("environment"), "holds more than texts");
      server.environment.push_back(variable + "=" + value.scalar);
    }
  }
  ASSIGN_OR_RETURN(const std::string source, fields.text("source", ""));
  server.source = place.absolute(source);
  ASSIGN_OR_RETURN(std::vector<std::string> read_only, fields.texts("read_only"));
  server.read_only = place.absolute(std::move(read_only));
  ASSIGN_OR_RETURN(std::vector<std::string> read_write, fields.texts("read_write"));
  server.read_write = place.absolute(std::move(read_write));
  ASSIGN_OR_RETURN(server.network, fields.boolean("network", false));
  ASSIGN_OR_RETURN(server.unvetted, fields.boolean("unvetted", false));
  if (!server.unvetted && server.source.empty()) {
    return wrong(fields.path_of("source"), "is missing: the folder that was vetted",
                 "or unvetted: true, which is a warning");
  }
  return server;
}

Status read_servers(const Place& place, YamlFields& document) {
  const YamlNode* node = document.take("servers");
  if (node == nullptr) return ok();
  if (node->kind != YamlNode::Kind::Map) return wrong("servers", "is no mapping");
  for (const auto& [name, value] : node->map) {
    if (name.find(':') != std::string::npos) return wrong("servers." + name, "has a colon in its name");
    RETURN_IF_ERROR(check_tool_id(name));
    YamlFields fields(value, "servers." + name);
    ASSIGN_OR_RETURN(ServerConfig server,
                     fields.has("url") ? read_url_server(place, fields) : read_program(place, fields));
    ASSIGN_OR_RETURN(const std::int64_t parallel, fields.integer("parallel", server.parallel, 1, 64));
    server.parallel = static_cast<int>(parallel);
    if (server.unvetted) {
      place.config.warnings.push_back("servers." + name + " is used although nobody vetted and approved it");
    }
    RETURN_IF_ERROR(fields.finish());
    place.config.servers.emplace(name, std::move(server));
  }
  return ok();
}

Status read_rules(BrokerConfig& config, YamlFields& fields) {
  const YamlNode* node = fields.take("rules");
  if (node == nullptr) return ok();
  if (node->kind != YamlNode::Kind::Sequence) return wrong(fields.path_of("rules"), "is no list");
  for (std::size_t i = 0; i < node->sequence.size(); ++i) {
    YamlFields row(node->sequence[i], fields.path_of("rules") + "[" + std::to_string(i) + "]");
    ApprovalRule rule;
    ASSIGN_OR_RETURN(rule.tools, read_patterns(row, "tools"));
    ASSIGN_OR_RETURN(const std::int64_t min, row.integer("min", 1, 1, 16));
    rule.min = static_cast<int>(min);
    RETURN_IF_ERROR(row.finish());
    config.rules.push_back(std::move(rule));
  }
  return ok();
}

Status read_approvals(BrokerConfig& config, YamlFields& document) {
  static const YamlNode kNothing;
  const YamlNode* node = document.take("approvals");
  YamlFields fields(node == nullptr ? kNothing : *node, "approvals");
  ASSIGN_OR_RETURN(const std::string mode, fields.text("default", name_of(config.approve_default)));
  if (mode != "allowlist" && mode != "once") return wrong("approvals.default", "must be allowlist or once");
  config.approve_default = *grant_mode_named(mode);
  RETURN_IF_ERROR(read_rules(config, fields));
  ASSIGN_OR_RETURN(config.request_ttl, fields.duration("request_ttl", config.request_ttl));
  ASSIGN_OR_RETURN(config.grant_ttl, fields.duration("grant_ttl", config.grant_ttl));
  ASSIGN_OR_RETURN(config.cooldown, fields.duration("cooldown", config.cooldown));
  ASSIGN_OR_RETURN(config.break_glass, fields.duration("break_glass", config.break_glass));
  if (config.break_glass > kLongestBreakGlass) return wrong("approvals.break_glass", "may be 1h at most");
  return fields.finish();
}

Status read_limits(BrokerConfig& config, YamlFields& document) {
  static const YamlNode kNothing;
  const YamlNode* node = document.take("limits");
  YamlFields fields(node == nullptr ? kNothing : *node, "limits");
  BrokerLimits& limits = config.limits;
  ASSIGN_OR_RETURN(limits.calls_per_minute, fields.integer("calls_per_minute", limits.calls_per_minute, 1, 1'000'000));
  ASSIGN_OR_RETURN(limits.pending_per_agent, fields.integer("pending_per_agent", limits.pending_per_agent, 1, 100'000));
  ASSIGN_OR_RETURN(limits.call_timeout, fields.duration("call_timeout", limits.call_timeout));
  ASSIGN_OR_RETURN(limits.result_bytes, fields.integer("result_bytes", limits.result_bytes, 1024, 16 << 20));
  return fields.finish();
}

Status read_security(const Place& place, YamlFields& document) {
  ASSIGN_OR_RETURN(const std::string path, document.text("security_policy", ""));
  if (path.empty()) return ok();
  ASSIGN_OR_RETURN(const std::string text, read_file(place.absolute(path)));
  const Result<Json> json = Json::parse(text);
  if (!json) return wrong("security_policy", path + ": " + json.error().detail);
  const Result<SecurityPolicy> policy = SecurityPolicy::read(*json);
  if (!policy) return wrong("security_policy", path + ": " + policy.error().detail);
  place.config.security = *policy;
  for (const std::string& each : policy->warnings()) place.config.warnings.push_back(path + ": " + each);
  return ok();
}

Status read_document(const Place& place, const YamlNode& document) {
  BrokerConfig& config = place.config;
  YamlFields fields(document, "");
  ASSIGN_OR_RETURN(const std::string state, fields.required_text("state"));
  config.state = place.absolute(state);
  ASSIGN_OR_RETURN(const std::string socket, fields.required_text("socket"));
  config.socket = place.absolute(socket);
  ASSIGN_OR_RETURN(const std::string signer, fields.text("signer", ""));
  config.signer = place.absolute(signer);
  ASSIGN_OR_RETURN(const std::string policy, fields.text("policy", ""));
  config.policy = place.absolute(policy);
  ASSIGN_OR_RETURN(const std::string vetting, fields.text("vetting_policy", ""));
  config.vetting_policy = place.absolute(vetting);
  ASSIGN_OR_RETURN(config.trial, fields.boolean("trial", false));
  if (config.trial) config.warnings.emplace_back("trial is true: the broker's own user may judge requests");
  RETURN_IF_ERROR(read_security(place, fields));
  RETURN_IF_ERROR(read_agents(place, fields));
  RETURN_IF_ERROR(read_people(config, fields));
  RETURN_IF_ERROR(read_servers(place, fields));
  RETURN_IF_ERROR(read_approvals(config, fields));
  RETURN_IF_ERROR(read_limits(config, fields));
  if (const YamlNode* notify = fields.take("notify")) {
    ASSIGN_OR_RETURN(config.notify, read_notify(*notify, place.folder));
  }
  config.notify.socket = config.socket;
  RETURN_IF_ERROR(check_people(config));
  return fields.finish();
}

}  // namespace

Result<Digest> secret_digest(const std::string& path) {
  ASSIGN_OR_RETURN(const SecretBytes secret, secret_from("file:" + path, ""));
  const std::string_view value = trimmed(text_of(secret.reveal()));
  if (value.size() >= kShortestSecret) return sha256(view_of(value));
  return wrong(path, "has fewer than 16 characters", "head -c 32 /dev/urandom | base64 > FILE; chmod 0400 FILE");
}

std::string_view name_of(GrantMode mode) {
  return std::find_if(std::begin(kModes), std::end(kModes), [mode](const ModeRow& row) { return row.mode == mode; })
      ->name;
}

std::optional<GrantMode> grant_mode_named(std::string_view name) {
  const auto found =
      std::find_if(std::begin(kModes), std::end(kModes), [name](const ModeRow& row) { return row.name == name; });
  return found == std::end(kModes) ? std::nullopt : std::optional(found->mode);
}

int BrokerConfig::approvals_for(std::string_view tool) const {
  int most = 1;
  for (const ApprovalRule& rule : rules) {
    const bool names = std::ranges::any_of(rule.tools, [tool](const std::string& each) { return matches(each, tool); });
    if (names) most = std::max(most, rule.min);
  }
  return most;
}

const AgentLists& BrokerConfig::lists_of(const std::string& agent) const {
  static const AgentLists kNone;
  const auto found = agents.find(agent);
  return found == agents.end() ? kNone : found->second.lists;
}

Result<BrokerConfig> BrokerConfig::load(const std::string& path) {
  ASSIGN_OR_RETURN(const std::string text, read_file(path));
  const Result<YamlNode> document = parse_yaml(text, YamlLimits{});
  if (!document) return Error{ErrorCode::Invalid, path + ": " + document.error().detail, "bad_configuration"};
  BrokerConfig config;
  const Status read = read_document(Place{config, std::filesystem::absolute(path).parent_path().string()}, *document);
  if (!read)
    return Error{ErrorCode::Invalid, path + ": " + read.error().detail, "bad_configuration", read.error().hint};
  return config;
}

}  // namespace countersign::broker
