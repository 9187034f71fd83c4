// The first half of Policy::parse: the members as the YAML spells them, typed and not yet judged.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/result.h"
#include "gate/policy/policy.h"

namespace countersign::gate {

struct RawEndpoint {
  bool enabled = false;
  std::string action, destructive_action;
  EndpointRule rule;
};

struct RawDataflow {
  bool enabled = false;
  std::string action;
  DataflowRule rule;
};

struct RawFreeze {
  bool enabled = false;
  std::string effect;
  FreezeRule rule;
};

struct RawSandbox {
  bool enabled = false;
  SandboxRule rule;
};

struct RawRule {
  std::string effect, action;
  std::string tool_name;  // an alias inside match
  Texts endpoint_class;   // the same
  std::string required_context_evidence_mode;
  RawEndpoint endpoint;
  RawDataflow dataflow;
  RawFreeze freeze_window;
  RawSandbox sandbox;
  RateRule rate_limit, destructive_budget;
  Rule rule;  // everything that is taken as it stands
};

struct RawMcpTrust {
  std::string action, max_age;
  McpTrust trust;
};

struct RawPolicy {
  std::string schema_id, schema_version, default_verdict, default_action;
  ScriptRules scripts;
  FailClosed fail_closed;
  RawMcpTrust mcp_trust;
  std::vector<RawRule> rules;
  SourceLines lines;
};

// Fails with Invalid, "parse policy yaml: …"; reason "legacy_policy" for the older grammar.
Result<RawPolicy> read_policy(std::string_view yaml);

}  // namespace countersign::gate
