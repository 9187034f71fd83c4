#include "gate/policy/policy_reader.h"

#include "common/joined.h"
#include "common/strict_yaml.h"
#include "gate/policy/policy_fields.h"

namespace countersign::gate {
namespace {

constexpr std::string_view kPrefix = "parse policy yaml: ";
constexpr std::string_view kByteOrderMark = "\xef\xbb\xbf";
constexpr YamlLimits kLimits{.single_document = false};  // gait reads the first document only
constexpr std::string_view kRules = "Policy.Rules";
constexpr std::string_view kMerge = "<<";

struct LegacyMember {
  std::string_view name;
  std::vector<std::string> replacements;
  std::string_view note;
};

// The members of the grammar before gait.gate.policy. gait's own words are recorded for `version` only.
const std::vector<LegacyMember>& legacy_members() {
  static const std::vector<LegacyMember> kMembers = {
      {"boundaries", {"rules"}, "express each boundary as a rule with match and endpoint"},
      {"defaults", {"default_verdict"}, "set default_verdict"},
      {"name", {"rules[].name"}, "name each rule; a policy itself has no name"},
      {"trust_sources", {"mcp_trust"}, "set mcp_trust.snapshot"},
      {"unknown_server", {"mcp_trust"}, "set mcp_trust.action"},
      {"version", {"schema_id", "schema_version"}, "set schema_id=gait.gate.policy and schema_version=1.0.0"},
  };
  return kMembers;
}

std::vector<LegacyMember> legacy_members_of(const YamlNode& root) {
  std::vector<LegacyMember> out;
  for (const LegacyMember& member : legacy_members()) {
    if (root.find(member.name) != nullptr) out.push_back(member);
  }
  return out;
}

Error legacy_error(const std::vector<LegacyMember>& members) {
  std::vector<std::string> names;
  std::vector<std::string> advice;
  for (const LegacyMember& member : members) {
    names.emplace_back(member.name);
    advice.push_back(std::string(member.name) + "->" + joined(member.replacements, "|") + " (" +
                     std::string(member.note) + ")");
  }
  return Error{ErrorCode::Invalid,
               std::string(kPrefix) + "legacy policy proposal fields are not supported [" + joined(names, ", ") +
                   "]: " + joined(advice, "; "),
               "legacy_policy",
               "use the repo-root `.gait.yaml` contract: `schema_id`, `schema_version`, `default_verdict`, optional "
               "`fail_closed`, optional `mcp_trust`, and `rules`"};
}

void add_lines(const YamlNode& node, const std::string& path, SourceLines& lines) {
  for (const auto& [name, value] : node.map) {
    if (value.kind == YamlNode::Kind::Null || name == "rules") continue;
    lines.members.emplace_back(path + name, value.line);
    add_lines(value, path + name + ".", lines);
  }
}

SourceLines lines_of(const YamlNode& node) {
  SourceLines lines;
  lines.first = node.line;
  add_lines(node, "", lines);
  return lines;
}

void read_match(const YamlNode& node, const PolicyFields& owner, RawRule& raw) {
  PolicyFields fields(node, owner, "match");
  Match& match = raw.rule.match;
  fields.text("tool_name", raw.tool_name);
  fields.texts("tool_names", match.tool_names);
  fields.texts("risk_classes", match.risk_classes);
  fields.texts("target_kinds", match.target_kinds);
  fields.texts("target_values", match.target_values);
  fields.texts("endpoint_class", raw.endpoint_class);
  fields.texts("endpoint_classes", match.endpoint_classes);
  fields.texts("discovery_method", match.discovery_methods);
  if (const YamlNode* annotations = fields.mapping("tool_annotations")) {
    PolicyFields hints(*annotations, fields, "tool_annotations");
    hints.optional_boolean("readOnlyHint", match.tool_annotations.read_only);
    hints.optional_boolean("destructiveHint", match.tool_annotations.destructive);
    hints.optional_boolean("idempotentHint", match.tool_annotations.idempotent);
    hints.optional_boolean("openWorldHint", match.tool_annotations.open_world);
  }
  fields.texts("skill_publishers", match.skill_publishers);
  fields.texts("skill_sources", match.skill_sources);
  fields.texts("data_classes", match.data_classes);
  fields.texts("destination_kinds", match.destination_kinds);
  fields.texts("destination_values", match.destination_values);
  fields.texts("destination_operations", match.destination_operations);
  fields.texts("provenance_sources", match.provenance_sources);
  fields.texts("identities", match.identities);
  fields.texts("workspace_prefixes", match.workspace_prefixes);
  fields.texts("context_tool_names", match.context_tool_names);
  fields.texts("context_data_classes", match.context_data_classes);
  fields.texts("context_endpoint_classes", match.context_endpoint_classes);
  fields.texts("context_autonomy_levels", match.context_autonomy_levels);
  fields.boolean("require_delegation", match.require_delegation);
  fields.texts("allowed_delegator_identities", match.allowed_delegator_identities);
  fields.texts("allowed_delegate_identities", match.allowed_delegate_identities);
  fields.texts("delegation_scopes", match.delegation_scopes);
  fields.optional_integer("max_delegation_depth", match.max_delegation_depth);
}

void read_endpoint(const YamlNode& node, const PolicyFields& owner, RawEndpoint& raw) {
  PolicyFields fields(node, owner, "endpoint");
  fields.boolean("enabled", raw.enabled);
  fields.texts("path_allowlist", raw.rule.path_allowlist);
  fields.texts("path_denylist", raw.rule.path_denylist);
  fields.texts("domain_allowlist", raw.rule.domain_allowlist);
  fields.texts("domain_denylist", raw.rule.domain_denylist);
  fields.texts("egress_classes", raw.rule.egress_classes);
  fields.text("action", raw.action);
  fields.text("destructive_action", raw.destructive_action);
  fields.text("reason_code", raw.rule.reason_code);
  fields.text("violation", raw.rule.violation);
}

void read_dataflow(const YamlNode& node, const PolicyFields& owner, RawDataflow& raw) {
  PolicyFields fields(node, owner, "dataflow");
  fields.boolean("enabled", raw.enabled);
  fields.texts("tainted_sources", raw.rule.tainted_sources);
  fields.texts("destination_kinds", raw.rule.destination_kinds);
  fields.texts("destination_values", raw.rule.destination_values);
  fields.texts("destination_operations", raw.rule.destination_operations);
  fields.text("action", raw.action);
  fields.text("reason_code", raw.rule.reason_code);
  fields.text("violation", raw.rule.violation);
}

void read_freeze(const YamlNode& node, const PolicyFields& owner, RawFreeze& raw) {
  PolicyFields fields(node, owner, "freeze_window");
  fields.boolean("enabled", raw.enabled);
  fields.text("timezone", raw.rule.timezone);
  fields.text("effect", raw.effect);
  fields.text("reason", raw.rule.reason);
  fields.texts("environments", raw.rule.environments);
  fields.texts("risk_classes", raw.rule.risk_classes);
  const YamlNode* windows = fields.sequence("windows");
  if (windows == nullptr) return;
  for (const YamlNode& element : windows->sequence) {
    PolicyFields members(element, fields, "windows", raw.rule.windows.size());
    FreezeWindow window;
    members.text("name", window.name);
    members.text("start", window.start);
    members.text("end", window.end);
    raw.rule.windows.push_back(std::move(window));
  }
}

void read_sandbox(const YamlNode& node, const PolicyFields& owner, RawSandbox& raw) {
  PolicyFields fields(node, owner, "sandbox");
  fields.boolean("enabled", raw.enabled);
  fields.texts("allowed_network_modes", raw.rule.allowed_network_modes);
  fields.texts("allowed_writable_path_prefixes", raw.rule.allowed_writable_path_prefixes);
  fields.texts("required_read_only_roots", raw.rule.required_read_only_roots);
  fields.texts("allowed_env_exposure_modes", raw.rule.allowed_env_exposure_modes);
  fields.integer("max_timeout_seconds", raw.rule.max_timeout_seconds);
  fields.texts("allowed_filesystem_isolations", raw.rule.allowed_filesystem_isolations);
  fields.texts("allowed_user_modes", raw.rule.allowed_user_modes);
}

void read_rate(const YamlNode& node, const PolicyFields& owner, std::string_view name, RateRule& rate) {
  PolicyFields fields(node, owner, name);
  fields.integer("requests", rate.requests);
  fields.text("window", rate.window);
  fields.text("scope", rate.scope);
}

void read_demands(PolicyFields& fields, RawRule& raw) {
  Rule& rule = raw.rule;
  fields.integer("min_approvals", rule.min_approvals);
  fields.boolean("require_distinct_approvers", rule.require_distinct_approvers);
  fields.boolean("require_context_evidence", rule.require_context_evidence);
  fields.text("required_context_evidence_mode", raw.required_context_evidence_mode);
  fields.integer("max_context_age_seconds", rule.max_context_age_seconds);
  fields.boolean("require_broker_credential", rule.require_broker_credential);
  fields.text("broker_reference", rule.broker_reference);
  fields.texts("broker_scopes", rule.broker_scopes);
  fields.boolean("require_declared_agent", rule.require_declared_agent);
  fields.texts("allowed_agent_ids", rule.allowed_agent_ids);
  fields.texts("denied_agent_ids", rule.denied_agent_ids);
  fields.text("required_agent_manifest_digest", rule.required_agent_manifest_digest);
  fields.texts("allowed_agent_manifest_publishers", rule.allowed_agent_manifest_publishers);
  fields.texts("allowed_agent_manifest_sources", rule.allowed_agent_manifest_sources);
  fields.texts("required_agent_lifecycle_states", rule.required_agent_lifecycle_states);
  fields.boolean("require_agent_owner", rule.require_agent_owner);
  fields.boolean("require_unexpired_agent", rule.require_unexpired_agent);
  fields.boolean("block_standing_credentials", rule.block_standing_credentials);
  fields.texts("allowed_credential_sources", rule.allowed_credential_sources);
  fields.texts("allowed_credential_issuers", rule.allowed_credential_issuers);
  fields.texts("allowed_credential_access_types", rule.allowed_credential_access_types);
  fields.integer("max_credential_ttl_seconds", rule.max_credential_ttl_seconds);
  fields.boolean("require_jit_credential", rule.require_jit_credential);
}

RawRule read_rule(const YamlNode& node, const PolicyFields& owner, std::size_t index) {
  RawRule raw;
  PolicyFields fields(node, kRules, owner, "rules", index);
  fields.text("name", raw.rule.name);
  fields.integer("priority", raw.rule.priority);
  fields.text("effect", raw.effect);
  fields.text("action", raw.action);
  if (const YamlNode* match = fields.mapping("match")) read_match(*match, fields, raw);
  if (const YamlNode* endpoint = fields.mapping("endpoint")) read_endpoint(*endpoint, fields, raw.endpoint);
  if (const YamlNode* dataflow = fields.mapping("dataflow")) read_dataflow(*dataflow, fields, raw.dataflow);
  if (const YamlNode* freeze = fields.mapping("freeze_window")) read_freeze(*freeze, fields, raw.freeze_window);
  if (const YamlNode* sandbox = fields.mapping("sandbox")) read_sandbox(*sandbox, fields, raw.sandbox);
  if (const YamlNode* rate = fields.mapping("rate_limit")) read_rate(*rate, fields, "rate_limit", raw.rate_limit);
  if (const YamlNode* budget = fields.mapping("destructive_budget")) {
    read_rate(*budget, fields, "destructive_budget", raw.destructive_budget);
  }
  fields.texts("reason_codes", raw.rule.reason_codes);
  fields.texts("violations", raw.rule.violations);
  read_demands(fields, raw);
  raw.rule.lines = lines_of(node);
  return raw;
}

void read_mcp_trust(const YamlNode& node, const PolicyFields& owner, RawMcpTrust& raw) {
  PolicyFields fields(node, "Policy.MCPTrust", owner, "mcp_trust");
  fields.boolean("enabled", raw.trust.enabled);
  fields.text("snapshot", raw.trust.snapshot);
  fields.text("action", raw.action);
  fields.texts("required_risk_classes", raw.trust.required_risk_classes);
  fields.number("min_score", raw.trust.min_score);
  fields.text("max_age", raw.max_age);
  fields.texts("publisher_allowlist", raw.trust.publisher_allowlist);
  fields.boolean("require_registry", raw.trust.require_registry);
}

void read_root(const YamlNode& root, FirstError& error, RawPolicy& raw) {
  PolicyFields fields(root, "Policy", error);
  raw.lines = lines_of(root);
  fields.text("schema_id", raw.schema_id);
  fields.text("schema_version", raw.schema_version);
  fields.text("default_verdict", raw.default_verdict);
  fields.text("default_action", raw.default_action);
  if (const YamlNode* scripts = fields.mapping("scripts")) {
    PolicyFields members(*scripts, "Policy.Scripts", fields, "scripts");
    members.integer("max_steps", raw.scripts.max_steps);
    members.integer("require_approval_above", raw.scripts.require_approval_above);
    members.boolean("block_mixed_risk", raw.scripts.block_mixed_risk);
  }
  if (const YamlNode* closed = fields.mapping("fail_closed")) {
    PolicyFields members(*closed, "Policy.FailClosed", fields, "fail_closed");
    members.boolean("enabled", raw.fail_closed.enabled);
    members.texts("risk_classes", raw.fail_closed.risk_classes);
    members.texts("required_fields", raw.fail_closed.required_fields);
    members.texts("required_high_risk_fields", raw.fail_closed.required_high_risk_fields);
  }
  if (const YamlNode* trust = fields.mapping("mcp_trust")) read_mcp_trust(*trust, fields, raw.mcp_trust);
  if (const YamlNode* rules = fields.sequence("rules")) {
    for (const YamlNode& rule : rules->sequence) raw.rules.push_back(read_rule(rule, fields, raw.rules.size()));
  }
}

Error refused(std::string_view position, const std::string& what) {
  return Error{ErrorCode::Invalid, std::string(kPrefix) + std::string(position) + what};
}

// goccy's words where they are known.
Error refused(const YamlFault& fault, const Error& error) {
  const std::string position = yaml_position(fault.line, fault.column);
  switch (fault.kind) {
    case YamlFault::Kind::RepeatedKey: {
      const std::string first = yaml_position(fault.first_line, fault.first_column);
      return refused(position, "mapping key \"" + fault.key.substr(0, 64) + "\" already defined at " +
                                   first.substr(0, first.size() - 1));
    }
    case YamlFault::Kind::OpenSequence:
      return refused(position, "sequence end token ']' not found");
    case YamlFault::Kind::Tab:
      return refused(position, "found character '\t' that cannot start any token");
    case YamlFault::Kind::Other:
      break;
  }
  if (fault.line == 0) return Error{error.code, std::string(kPrefix) + error.detail};
  return refused(position, fault.what);
}

// Puts the members of `<<: *anchor` in its place. A member that stands twice then is refused, as gait does, where YAML
// would let the nearer one win. Depth is bounded by the YAML reader.
Status merge(YamlNode& node) {  // NOLINT(misc-no-recursion)
  for (YamlNode& element : node.sequence) RETURN_IF_ERROR(merge(element));
  std::vector<std::pair<std::string, YamlNode>> members;
  const auto add = [&members](const std::pair<std::string, YamlNode>& member) -> Status {
    for (const auto& other : members) {
      if (other.first != member.first) continue;
      return refused(yaml_position(member.second.key_line, member.second.key_column),
                     "duplicate key \"" + member.first.substr(0, 64) + "\"");
    }
    members.push_back(member);
    return ok();
  };
  const bool merges = node.find(kMerge) != nullptr;
  for (auto& member : node.map) {
    RETURN_IF_ERROR(merge(member.second));
    if (!merges) continue;
    const bool merged = member.first == kMerge && member.second.kind == YamlNode::Kind::Map;
    if (!merged) {
      RETURN_IF_ERROR(add(member));
      continue;
    }
    for (const auto& inner : member.second.map) RETURN_IF_ERROR(add(inner));
  }
  if (merges) node.map = std::move(members);
  return ok();
}

Result<YamlNode> root_of(std::string_view yaml) {
  const bool marked = yaml.starts_with(kByteOrderMark);
  if (marked) yaml.remove_prefix(kByteOrderMark.size());
  YamlFault fault;
  Result<YamlNode> root = parse_yaml(yaml, kLimits, &fault);
  if (!root) return refused(fault, root.error());
  if (marked) {
    if (root->map.empty()) return refused(yaml_position(1, 1), "a byte order mark");
    return refused(yaml_position(1, 1), "unknown field \"" + std::string(kByteOrderMark) + root->map[0].first + "\"");
  }
  RETURN_IF_ERROR(merge(*root));
  return root;
}

}  // namespace

Json legacy_policy_migration(std::string_view yaml) {
  Json::Array names;
  Json::Array replacements;
  if (const Result<YamlNode> root = root_of(yaml)) {
    for (const LegacyMember& member : legacy_members_of(*root)) {
      names.emplace_back(member.name);
      replacements.push_back(Json::object({{"field", Json(member.name)},
                                           {"replacement_fields", Json::array(member.replacements)},
                                           {"note", Json(member.note)}}));
    }
  }
  return Json::object({{"kind", "policy_fields"},
                       {"deprecated_fields", Json(std::move(names))},
                       {"field_replacements", Json(std::move(replacements))}});
}

Result<RawPolicy> read_policy(std::string_view yaml) {
  ASSIGN_OR_RETURN(const YamlNode root, root_of(yaml));
  RawPolicy raw;
  constexpr int kNothingRead = 0;  // the line of a text that holds no document at all
  if (root.kind == YamlNode::Kind::Null && root.line != kNothingRead) {
    return Error{ErrorCode::Invalid, std::string(kPrefix) + "[1:1] null was used where mapping is expected"};
  }
  const std::vector<LegacyMember> legacy = legacy_members_of(root);
  if (!legacy.empty()) return legacy_error(legacy);
  FirstError error{std::string(kPrefix)};
  read_root(root, error, raw);
  RETURN_IF_ERROR(error.status());
  return raw;
}

}  // namespace countersign::gate
