// A document that is refused is refused with the path of the member that is wrong, beside gait's words.
#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
#include <regex>
#include <set>

#include "gate/context/context_envelope.h"
#include "gate/context/inventory.h"
#include "gate/intent/intent.h"
#include "gate/policy/policy.h"
#include "gate/state/kill_switch.h"
#include "gate/state/rate_limit.h"
#include "places.h"

namespace countersign::gate {
namespace {

enum class Type { Text, Texts, Integer, Number, Flag, Structure, Structures };

struct Member {
  const char* path;
  Type type;
};

// The whole grammar (gait-formats §6.2). A rule is the second of its list, so that its index is seen to be counted.
constexpr Member kPolicy[] = {
    {"schema_id", Type::Text},
    {"schema_version", Type::Text},
    {"default_verdict", Type::Text},
    {"default_action", Type::Text},
    {"scripts", Type::Structure},
    {"scripts.max_steps", Type::Integer},
    {"scripts.require_approval_above", Type::Integer},
    {"scripts.block_mixed_risk", Type::Flag},
    {"fail_closed", Type::Structure},
    {"fail_closed.enabled", Type::Flag},
    {"fail_closed.risk_classes", Type::Texts},
    {"fail_closed.required_fields", Type::Texts},
    {"fail_closed.required_high_risk_fields", Type::Texts},
    {"mcp_trust", Type::Structure},
    {"mcp_trust.enabled", Type::Flag},
    {"mcp_trust.snapshot", Type::Text},
    {"mcp_trust.action", Type::Text},
    {"mcp_trust.required_risk_classes", Type::Texts},
    {"mcp_trust.min_score", Type::Number},
    {"mcp_trust.max_age", Type::Text},
    {"mcp_trust.publisher_allowlist", Type::Texts},
    {"mcp_trust.require_registry", Type::Flag},
    {"rules", Type::Structures},
    {"rules[1].name", Type::Text},
    {"rules[1].priority", Type::Integer},
    {"rules[1].effect", Type::Text},
    {"rules[1].action", Type::Text},
    {"rules[1].match", Type::Structure},
    {"rules[1].match.tool_name", Type::Text},
    {"rules[1].match.tool_names", Type::Texts},
    {"rules[1].match.risk_classes", Type::Texts},
    {"rules[1].match.target_kinds", Type::Texts},
    {"rules[1].match.target_values", Type::Texts},
    {"rules[1].match.endpoint_class", Type::Texts},
    {"rules[1].match.endpoint_classes", Type::Texts},
    {"rules[1].match.discovery_method", Type::Texts},
    {"rules[1].match.tool_annotations", Type::Structure},
    {"rules[1].match.tool_annotations.readOnlyHint", Type::Flag},
    {"rules[1].match.tool_annotations.destructiveHint", Type::Flag},
    {"rules[1].match.tool_annotations.idempotentHint", Type::Flag},
    {"rules[1].match.tool_annotations.openWorldHint", Type::Flag},
    {"rules[1].match.skill_publishers", Type::Texts},
    {"rules[1].match.skill_sources", Type::Texts},
    {"rules[1].match.data_classes", Type::Texts},
    {"rules[1].match.destination_kinds", Type::Texts},
    {"rules[1].match.destination_values", Type::Texts},
    {"rules[1].match.destination_operations", Type::Texts},
    {"rules[1].match.provenance_sources", Type::Texts},
    {"rules[1].match.identities", Type::Texts},
    {"rules[1].match.workspace_prefixes", Type::Texts},
    {"rules[1].match.context_tool_names", Type::Texts},
    {"rules[1].match.context_data_classes", Type::Texts},
    {"rules[1].match.context_endpoint_classes", Type::Texts},
    {"rules[1].match.context_autonomy_levels", Type::Texts},
    {"rules[1].match.require_delegation", Type::Flag},
    {"rules[1].match.allowed_delegator_identities", Type::Texts},
    {"rules[1].match.allowed_delegate_identities", Type::Texts},
    {"rules[1].match.delegation_scopes", Type::Texts},
    {"rules[1].match.max_delegation_depth", Type::Integer},
    {"rules[1].endpoint", Type::Structure},
    {"rules[1].endpoint.enabled", Type::Flag},
    {"rules[1].endpoint.path_allowlist", Type::Texts},
    {"rules[1].endpoint.path_denylist", Type::Texts},
    {"rules[1].endpoint.domain_allowlist", Type::Texts},
    {"rules[1].endpoint.domain_denylist", Type::Texts},
    {"rules[1].endpoint.egress_classes", Type::Texts},
    {"rules[1].endpoint.action", Type::Text},
    {"rules[1].endpoint.destructive_action", Type::Text},
    {"rules[1].endpoint.reason_code", Type::Text},
    {"rules[1].endpoint.violation", Type::Text},
    {"rules[1].dataflow", Type::Structure},
    {"rules[1].dataflow.enabled", Type::Flag},
    {"rules[1].dataflow.tainted_sources", Type::Texts},
    {"rules[1].dataflow.destination_kinds", Type::Texts},
    {"rules[1].dataflow.destination_values", Type::Texts},
    {"rules[1].dataflow.destination_operations", Type::Texts},
    {"rules[1].dataflow.action", Type::Text},
    {"rules[1].dataflow.reason_code", Type::Text},
    {"rules[1].dataflow.violation", Type::Text},
    {"rules[1].freeze_window", Type::Structure},
    {"rules[1].freeze_window.enabled", Type::Flag},
    {"rules[1].freeze_window.timezone", Type::Text},
    {"rules[1].freeze_window.effect", Type::Text},
    {"rules[1].freeze_window.reason", Type::Text},
    {"rules[1].freeze_window.environments", Type::Texts},
    {"rules[1].freeze_window.risk_classes", Type::Texts},
    {"rules[1].freeze_window.windows", Type::Structures},
    {"rules[1].freeze_window.windows[1].name", Type::Text},
    {"rules[1].freeze_window.windows[1].start", Type::Text},
    {"rules[1].freeze_window.windows[1].end", Type::Text},
    {"rules[1].sandbox", Type::Structure},
    {"rules[1].sandbox.enabled", Type::Flag},
    {"rules[1].sandbox.allowed_network_modes", Type::Texts},
    {"rules[1].sandbox.allowed_writable_path_prefixes", Type::Texts},
    {"rules[1].sandbox.required_read_only_roots", Type::Texts},
    {"rules[1].sandbox.allowed_env_exposure_modes", Type::Texts},
    {"rules[1].sandbox.max_timeout_seconds", Type::Integer},
    {"rules[1].sandbox.allowed_filesystem_isolations", Type::Texts},
    {"rules[1].sandbox.allowed_user_modes", Type::Texts},
    {"rules[1].rate_limit", Type::Structure},
    {"rules[1].rate_limit.requests", Type::Integer},
    {"rules[1].rate_limit.window", Type::Text},
    {"rules[1].rate_limit.scope", Type::Text},
    {"rules[1].destructive_budget", Type::Structure},
    {"rules[1].destructive_budget.requests", Type::Integer},
    {"rules[1].destructive_budget.window", Type::Text},
    {"rules[1].destructive_budget.scope", Type::Text},
    {"rules[1].reason_codes", Type::Texts},
    {"rules[1].violations", Type::Texts},
    {"rules[1].min_approvals", Type::Integer},
    {"rules[1].require_distinct_approvers", Type::Flag},
    {"rules[1].require_context_evidence", Type::Flag},
    {"rules[1].required_context_evidence_mode", Type::Text},
    {"rules[1].max_context_age_seconds", Type::Integer},
    {"rules[1].require_broker_credential", Type::Flag},
    {"rules[1].broker_reference", Type::Text},
    {"rules[1].broker_scopes", Type::Texts},
    {"rules[1].require_declared_agent", Type::Flag},
    {"rules[1].allowed_agent_ids", Type::Texts},
    {"rules[1].denied_agent_ids", Type::Texts},
    {"rules[1].required_agent_manifest_digest", Type::Text},
    {"rules[1].allowed_agent_manifest_publishers", Type::Texts},
    {"rules[1].allowed_agent_manifest_sources", Type::Texts},
    {"rules[1].required_agent_lifecycle_states", Type::Texts},
    {"rules[1].require_agent_owner", Type::Flag},
    {"rules[1].require_unexpired_agent", Type::Flag},
    {"rules[1].block_standing_credentials", Type::Flag},
    {"rules[1].allowed_credential_sources", Type::Texts},
    {"rules[1].allowed_credential_issuers", Type::Texts},
    {"rules[1].allowed_credential_access_types", Type::Texts},
    {"rules[1].max_credential_ttl_seconds", Type::Integer},
    {"rules[1].require_jit_credential", Type::Flag},
};

struct Wrong {
  const char* value;
  const char* below;  // where in the member it is wrong
};

std::vector<Wrong> wrong_values(Type type) {
  switch (type) {
    case Type::Text:
      return {{R"(["x"])", ""}, {R"({"a": "x"})", ""}};
    case Type::Texts:
      return {{R"("x")", ""}, {R"({"a": "x"})", ""}, {R"(["x", {"a": "x"}])", "[1]"}, {R"(["x", "y", ["z"]])", "[2]"}};
    case Type::Integer:
    case Type::Number:
      return {{R"("x")", ""}, {"true", ""}, {"[1]", ""}};
    case Type::Flag:
      return {{R"("x")", ""}, {"1", ""}, {"[true]", ""}};
    case Type::Structure:
      return {{R"("x")", ""}, {"[1]", ""}, {R"({"no such member": 1})", ".no such member"}};
    case Type::Structures:
      return {{R"("x")", ""}, {R"({"a": "x"})", ""}, {R"([{}, "x"])", "[1]"}};
  }
  return {};
}

const char* right_value(Type type) {
  switch (type) {
    case Type::Text:
      return R"("x")";
    case Type::Texts:
      return R"(["x"])";
    case Type::Integer:
    case Type::Number:
      return "1";
    case Type::Flag:
      return "true";
    case Type::Structure:
      return "{}";
    case Type::Structures:
      return "[{}]";
  }
  return "";
}

// The document, JSON and so YAML too, that has `value` at `path` and else empty structures.
std::string document_with(std::string_view path, std::string_view value) {
  const std::size_t dot = path.find('.');
  std::string_view name = path.substr(0, dot);
  const bool indexed = name.ends_with("[1]");
  if (indexed) name.remove_suffix(3);
  std::string inner = dot == std::string_view::npos ? std::string(value) : document_with(path.substr(dot + 1), value);
  if (indexed) inner = "[{}, " + inner + "]";
  return "{\"" + std::string(name) + "\": " + inner + "}";
}

template <typename Document>
void expect_paths(std::span<const Member> members) {
  for (const Member& member : members) {
    for (const Wrong& wrong : wrong_values(member.type)) {
      const std::string text = document_with(member.path, wrong.value);
      const auto read = Document::parse(text);
      ASSERT_FALSE(read) << text;
      EXPECT_EQ(read.error().field, std::string(member.path) + wrong.below) << text << " " << read.error().detail;
    }
    const auto read = Document::parse(document_with(member.path, right_value(member.type)));
    const std::string said = read ? "" : read.error().detail;
    for (const char* complaint : {"cannot unmarshal", "was used where", "unknown field"}) {
      EXPECT_EQ(said.find(complaint), std::string::npos) << member.path << ": " << said;
    }
  }
}

TEST(FieldPath, OfEveryMemberOfAPolicyThatHasAnotherType) {
  expect_paths<Policy>(kPolicy);
}

TEST(FieldPath, TheTableHasEveryMemberThatThePolicysReaderKnows) {
  std::ifstream file(COUNTERSIGN_SOURCE "/gate/policy/policy_reader.cc");
  const std::string source{std::istreambuf_iterator<char>(file), {}};
  const std::regex reads(
      R"(\.(?:text|texts|integer|optional_integer|boolean|optional_boolean|number|mapping|sequence)\("(\w+)\")");
  std::multiset<std::string> read;
  for (std::sregex_iterator at(source.begin(), source.end(), reads), end; at != end; ++at) read.insert((*at)[1]);
  std::multiset<std::string> listed;
  for (const Member& member : kPolicy) {
    const std::string path = member.path;
    // One reader serves both limits.
    if (!path.starts_with("rules[1].destructive_budget.")) listed.insert(path.substr(path.rfind('.') + 1));
  }
  EXPECT_GT(read.size(), 100U);
  EXPECT_EQ(listed, read);
}

struct Refusal {
  const char* text;
  const char* field;
};

TEST(FieldPath, OfAPolicysValueThatIsNone) {
  const Refusal cases[] = {
      {"schema_id: other", "schema_id"},
      {"schema_version: 2.0.0", "schema_version"},
      {"default_verdict: maybe", "default_verdict"},
      {"default_action: maybe", "default_action"},
      {"{default_verdict: allow, default_action: block}", "default_action"},
      {"scripts: {max_steps: -1}", "scripts.max_steps"},
      {"scripts: {require_approval_above: -1}", "scripts.require_approval_above"},
      {"fail_closed: {required_fields: [weather]}", "fail_closed.required_fields"},
      {"fail_closed: {required_high_risk_fields: [weather]}", "fail_closed.required_high_risk_fields"},
      {"mcp_trust: {action: block}", "mcp_trust.snapshot"},
      {"mcp_trust: {snapshot: s, action: allow}", "mcp_trust.action"},
      {"mcp_trust: {snapshot: s, min_score: 2}", "mcp_trust.min_score"},
      {"mcp_trust: {snapshot: s, max_age: soon}", "mcp_trust.max_age"},
      {"mcp_trust: {snapshot: s, max_age: 0s}", "mcp_trust.max_age"},
  };
  for (const Refusal& each : cases) {
    const Result<Policy> policy = Policy::parse(each.text);
    ASSERT_FALSE(policy) << each.text;
    EXPECT_EQ(policy.error().field, each.field) << each.text;
  }
}

TEST(FieldPath, OfARulesValueThatIsNone) {
  const Refusal cases[] = {
      {"effect: allow", "name"},
      {"name: r", "effect"},
      {"name: r, effect: maybe", "effect"},
      {"name: r, action: maybe", "action"},
      {"name: r, effect: allow, action: block", "action"},
      {"name: r, effect: allow, min_approvals: -1", "min_approvals"},
      {"name: r, effect: allow, match: {endpoint_class: [fs.fly]}", "match.endpoint_classes"},
      {"name: r, effect: allow, match: {discovery_method: [magic]}", "match.discovery_method"},
      {"name: r, effect: allow, match: {max_delegation_depth: -1}", "match.max_delegation_depth"},
      {"name: r, effect: allow, endpoint: {egress_classes: [net.fly]}", "endpoint.egress_classes"},
      {"name: r, effect: allow, endpoint: {egress_classes: [fs.read]}", "endpoint.egress_classes"},
      {"name: r, effect: allow, endpoint: {enabled: true, action: allow}", "endpoint.action"},
      {"name: r, effect: allow, endpoint: {destructive_action: allow}", "endpoint.destructive_action"},
      {"name: r, effect: allow, dataflow: {enabled: true, action: allow}", "dataflow.action"},
      {"name: r, effect: allow, required_context_evidence_mode: some", "required_context_evidence_mode"},
      {"name: r, effect: allow, max_context_age_seconds: -1", "max_context_age_seconds"},
      {"name: r, effect: allow, required_agent_manifest_digest: ab", "required_agent_manifest_digest"},
      {"name: r, effect: allow, allowed_credential_sources: [tree]", "allowed_credential_sources"},
      {"name: r, effect: allow, allowed_credential_access_types: [all]", "allowed_credential_access_types"},
      {"name: r, effect: allow, max_credential_ttl_seconds: -1", "max_credential_ttl_seconds"},
      {"name: r, effect: allow, freeze_window: {reason: x}", "freeze_window.timezone"},
      {"name: r, effect: allow, freeze_window: {timezone: UTC, effect: allow}", "freeze_window.effect"},
      {"name: r, effect: allow, freeze_window: {timezone: UTC}", "freeze_window.windows"},
      {"name: r, effect: allow, freeze_window: {timezone: UTC, windows: [{start: a, end: b}, {end: b}]}",
       "freeze_window.windows[1].start"},
      {"name: r, effect: allow, freeze_window: {timezone: UTC, windows: [{start: a}]}", "freeze_window.windows[0].end"},
      {"name: r, effect: allow, sandbox: {max_timeout_seconds: -1}", "sandbox.max_timeout_seconds"},
      {"name: r, effect: allow, rate_limit: {requests: -1}", "rate_limit.requests"},
      {"name: r, effect: allow, rate_limit: {requests: 1, window: day}", "rate_limit.window"},
      {"name: r, effect: allow, destructive_budget: {requests: 1, scope: planet}", "destructive_budget.scope"},
      {"name: r, effect: allow, destructive_budget: {window: hour}", "destructive_budget.requests"},
  };
  for (const Refusal& each : cases) {
    const std::string text = "rules: [{name: good, effect: allow, priority: 9}, {" + std::string(each.text) + "}]";
    const Result<Policy> policy = Policy::parse(text);
    ASSERT_FALSE(policy) << text;
    EXPECT_EQ(policy.error().field, "rules[1]." + std::string(each.field)) << text;
  }
}

// The whole intent (gait-formats §5.1). Gait's unknown members are ignored, so structures have no row of their own.
constexpr Member kIntent[] = {
    {"schema_id", Type::Text},
    {"tool_name", Type::Text},
    {"script.steps", Type::Structures},
    {"script.steps[1].tool_name", Type::Text},
    {"script.steps[1].targets", Type::Structures},
    {"script.steps[1].targets[1].kind", Type::Text},
    {"script.steps[1].arg_provenance[1].source", Type::Text},
    {"targets", Type::Structures},
    {"targets[1].kind", Type::Text},
    {"targets[1].value", Type::Text},
    {"targets[1].destructive", Type::Flag},
    {"targets[1].open_world_hint", Type::Flag},
    {"arg_provenance", Type::Structures},
    {"arg_provenance[1].arg_path", Type::Text},
    {"skill_provenance.publisher", Type::Text},
    {"delegation.token_refs", Type::Texts},
    {"delegation.chain", Type::Structures},
    {"delegation.chain[1].delegate_identity", Type::Text},
    {"context.identity", Type::Text},
    {"context.credential_ttl_seconds", Type::Integer},
    {"context.credential_scopes", Type::Texts},
    {"context.agent_identity.lifecycle_states", Type::Texts},
    {"context.agent_identity.revoked", Type::Flag},
    {"context.sandbox.writable_paths", Type::Texts},
    {"context.sandbox.timeout_seconds", Type::Integer},
};

TEST(FieldPath, OfAnIntentsMemberThatHasAnotherType) {
  expect_paths<Intent>(kIntent);
}

TEST(FieldPath, OfAnIntentsValueThatIsNone) {
  const std::string head = R"({"tool_name":"a","context":{"identity":"i","workspace":"/w","risk_class":"low"},)";
  const auto context = [](const std::string& more) {
    return R"({"tool_name":"a","context":{"identity":"i","workspace":"/w","risk_class":"low",)" + more + "}}";
  };
  const std::string huge = head + R"("args":{"a":{"b":1e999}}})";
  const struct {
    std::string text;
    const char* field;
  } cases[] = {
      {"{}", "tool_name"},
      {R"({"tool_name":"a"})", "context.identity"},
      {head + R"("created_at":"yesterday"})", "created_at"},
      {head + R"("tool_name":"b"})", "tool_name"},
      {head + R"("args":{"a":{"b":1,"b":1}}})", "args.a.b"},
      {head + R"("Created_At":"2026-01-01T00:00:00Z","created_at":"2026-01-01T00:00:00Z"})", "created_at"},
      {huge, "args.a.b"},
      {head + R"("args":{"a":[{"b":"x "}]}})", "args.a[0].b"},
      {head + R"("args":{"a":9007199254740993}})", "args.a"},
      {head + R"("args":{"a":{" ":1}}})", "args.a"},
      {head + R"("args":{"api_key":"ghp_0123456789abcdef"}})", "args.api_key"},
      {head + R"("targets":[{"kind":"path","value":"/a"},{"kind":"path"}]})", "targets[1].value"},
      {head + R"("targets":[{"kind":"moon","value":"/a"}]})", "targets[0].kind"},
      {head + R"("targets":[{"kind":"path","value":"/a","discovery_method":"x"}]})", "targets[0].discovery_method"},
      {head + R"("targets":[{"kind":"path","value":"/a","endpoint_class":"x"}]})", "targets[0].endpoint_class"},
      {head + R"("arg_provenance":[{"source":"user"}]})", "arg_provenance[0].arg_path"},
      {head + R"("arg_provenance":[{"arg_path":"a","source":"x"}]})", "arg_provenance[0].source"},
      {head + R"("skill_provenance":{"skill_name":"s","publisher":"p"}})", "skill_provenance.source"},
      {head + R"("skill_provenance":{"skill_name":"s","publisher":"p","source":"x","digest":"y"}})",
       "skill_provenance.digest"},
      {head + R"("script":{"steps":[]}})", "script.steps"},
      {head + R"("script":{"steps":[{"tool_name":"a"},{}]}})", "script.steps[1].tool_name"},
      {head + R"("script":{"steps":[{"tool_name":"a","targets":[{"kind":"path"}]}]}})",
       "script.steps[0].targets[0].value"},
      {head + R"("script":{"steps":[{"tool_name":"a","args":{"b":" x"}}]}})", "script.steps[0].args.b"},
      {head + R"("delegation":{}})", "delegation.requester_identity"},
      {head + R"("delegation":{"requester_identity":"r","chain":[{"delegator_identity":"d"}]}})",
       "delegation.chain[0].delegate_identity"},
      {head +
           R"("delegation":{"requester_identity":"r","chain":[{"delegator_identity":"d","delegate_identity":"e"}]}})",
       "delegation.chain"},
      {context(R"("phase":"dream")"), "context.phase"},
      {context(R"("credential_source":"x")"), "context.credential_source"},
      {context(R"("credential_ttl_seconds":-1)"), "context.credential_ttl_seconds"},
      {context(R"("auth_context":{"password":"hunter2hunter2hunter2"})"), "context.auth_context.password"},
      {context(R"("sandbox":{"network_mode":"x"})"), "context.sandbox.network_mode"},
      {context(R"("sandbox":{"writable_paths":["A=b"]})"), "context.sandbox.writable_paths"},
      {context(R"("context_set_digest":"x")"), "context.context_set_digest"},
      {context(R"("agent_identity":{"manifest_digest":"x"})"), "context.agent_identity.manifest_digest"},
      {context(R"("agent_identity":{"issued_at":"2026-01-02T00:00:00Z","expires_at":"2026-01-01T00:00:00Z"})"),
       "context.agent_identity.expires_at"},
  };
  for (const auto& each : cases) {
    const Result<Intent> intent = Intent::parse(each.text);
    ASSERT_FALSE(intent) << each.text;
    EXPECT_EQ(intent.error().field, each.field) << each.text << " " << intent.error().detail;
  }
}

TEST(FieldPath, OfEnvelopesAndStateFiles) {
  const auto field_of = [](const auto& read) { return read ? "(accepted)" : read.error().field; };
  const auto envelope = [&](const std::string& members) {
    return field_of(ContextEnvelope::parse(
        R"({"schema_id":"gait.context.envelope","schema_version":"1.0.0","created_at":"2026-01-01T00:00:00Z",)" +
        members + "}"));
  };
  EXPECT_EQ(envelope(R"("context_set_id":"s")"), "(accepted)");
  EXPECT_EQ(envelope(R"("context_set_id":7)"), "context_set_id");
  EXPECT_EQ(envelope(R"("context_set_id":"")"), "context_set_id");
  EXPECT_EQ(envelope(R"("context_set_id":"s","extra":1)"), "extra");
  EXPECT_EQ(envelope(R"("context_set_id":"s","evidence_mode":"x")"), "evidence_mode");
  EXPECT_EQ(envelope(R"("context_set_id":"s","context_set_digest":"x")"), "context_set_digest");
  EXPECT_EQ(envelope(R"("context_set_id":"s","records":[{"ref_id":true}])"), "records[0].ref_id");
  EXPECT_EQ(envelope(R"("context_set_id":"s","records":[{"ref_id":"a","extra":1}])"), "records[0].extra");
  EXPECT_EQ(envelope(R"("context_set_id":"s","records":[{"ref_id":"a"}])"), "records[0].source_type");
  EXPECT_EQ(field_of(ContextEnvelope::parse(std::string(R"({"schema_id":"x"})"))), "schema_id");

  const auto stopped = [&](const std::string& entries) {
    return field_of(KillSwitch::parse(
        R"({"schema_id":"gait.gate.kill_switch_state","schema_version":"1.0.0","entries":)" + entries + "}"));
  };
  EXPECT_EQ(stopped("[{}]"), "(accepted)");
  EXPECT_EQ(stopped("7"), "entries");
  EXPECT_EQ(stopped(R"([{},{"enabled":"yes"}])"), "entries[1].enabled");
  EXPECT_EQ(stopped(R"([{"path_prefixes":["/a",7]}])"), "entries[0].path_prefixes[1]");
  EXPECT_EQ(stopped(R"([{"expires_at":"soon"}])"), "entries[0].expires_at");
  EXPECT_EQ(field_of(KillSwitch::parse(R"({"schema_id":"x"})")), "schema_id");
  EXPECT_EQ(stopped(R"([{"enabled":true,"enabled":false}])"), "entries[0].enabled");

  const auto counted = [&](const std::string& counters) {
    return field_of(RateState::parse(
        R"({"schema_id":"gait.gate.rate_limit_state","schema_version":"1.0.0","counters":)" + counters + "}"));
  };
  EXPECT_EQ(counted(R"([{"key":"a","count":1}])"), "(accepted)");
  EXPECT_EQ(counted(R"([{"key":"a","count":1},{"key":"b","count":"1"}])"), "counters[1].count");
  EXPECT_EQ(counted(R"([{"key":"a","count":-1}])"), "counters[0].count");
  EXPECT_EQ(counted(R"([{"key":"a","count":1},{"key":"a","count":1}])"), "counters[1].key");
  EXPECT_EQ(counted(R"([{"count":1}])"), "counters[0].key");
  EXPECT_EQ(field_of(RateState::parse(R"({"schema_id":"x"})")), "schema_id");

  const auto listed = [&](const std::string& text) { return field_of(ToolInventory::parse(text, "inventory.json")); };
  EXPECT_EQ(listed(R"([{"tool_name":"a"}])"), "(accepted)");
  EXPECT_EQ(listed(R"([{},{"tool_name":7}])"), "[1].tool_name");
  EXPECT_EQ(listed(R"({"items":[{},{"tool_name":7}]})"), "items[1].tool_name");
  EXPECT_EQ(listed(R"({"items":[7]})"), "items[0]");
}

}  // namespace
}  // namespace countersign::gate
