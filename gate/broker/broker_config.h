// broker.yaml, read strictly: an unknown, repeated, missing or mistyped member is an error that names its path and
// line. deploy/config/broker.yaml is the manual: every option, commented, with its default.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "common/digest.h"
#include "common/result.h"
#include "gate/broker/agent_lists.h"
#include "gate/broker/notify_config.h"
#include "gate/broker/security_policy.h"

namespace countersign::broker {

// An agent is who the kernel says connects, or who has its secret; never who it says it is.
struct AgentConfig {
  std::optional<std::uint32_t> uid;
  std::optional<Digest> secret;  // SHA-256 of the secret's text
  AgentLists lists;
};

// Of a file that only its owner can read. Fails as secret_from() does, with Invalid below 16 characters.
Result<Digest> secret_digest(const std::string& path);

// A server is a program that the broker runs, or one of others that it reaches by HTTP.
struct ServerConfig {
  std::string url;                       // https, or http on loopback; empty for a program. Only these with it:
  std::string token;                     // file of the secret that is sent there as a bearer's; empty for none
  std::string ca;                        // PEM file of who may certify it; empty for the system's
  std::vector<std::string> command;      // argv; argv[0] is a path
  std::vector<std::string> environment;  // "NAME=value", all of it beside PATH, HOME and LANG
  std::string source;                    // its folder, seen read-only where it is; what was vetted
  std::vector<std::string> read_only;    // what else it sees, where it is
  std::vector<std::string> read_write;
  bool network = false;
  int parallel = 4;       // calls under way at once
  bool unvetted = false;  // starts without an approved proposal; a warning
};

struct ApprovalRule {
  std::vector<std::string> tools;  // patterns
  int min = 1;                     // distinct approvers
};

struct BrokerLimits {
  std::int64_t calls_per_minute = 600;  // of one agent
  std::int64_t pending_per_agent = 50;  // open requests; one more is refused
  std::chrono::nanoseconds call_timeout = std::chrono::seconds(60);
  std::int64_t result_bytes = std::int64_t{1} << 20;  // of a tool's answer; a longer one is cut and says so
};

// BreakGlass: in an emergency two people let an agent use a tool with any arguments for a short time, whatever the
// rules ask for; it is told at once and listed until somebody has reviewed it.
enum class GrantMode { Allowlist, Once, Uses, Until, BreakGlass };
inline constexpr int kBreakGlassPeople = 2;
std::string_view name_of(GrantMode mode);  // "allowlist", "once", "uses", "until", "break_glass"
// Whether it is of the tool with any arguments, and not of one call.
inline bool is_of_any_arguments(GrantMode mode) {
  return mode == GrantMode::Allowlist || mode == GrantMode::BreakGlass;
}
std::optional<GrantMode> grant_mode_named(std::string_view name);

struct BrokerConfig {
  std::string state;   // directory of broker.db, 0700
  std::string socket;  // broker.sock
  std::string signer;  // sign.sock; empty: the usual one
  std::string policy;  // of the gate, YAML; empty: the lists alone decide
  SecurityPolicy security;
  bool trial = false;  // the broker's own user may judge requests as well
  std::map<std::string, AgentConfig> agents;
  AgentLists everybodys;           // agents.default
  std::set<std::uint32_t> people;  // who may see and judge requests
  std::map<std::string, ServerConfig> servers;
  GrantMode approve_default = GrantMode::Allowlist;
  std::vector<ApprovalRule> rules;
  std::chrono::nanoseconds request_ttl = std::chrono::hours(1);
  std::chrono::nanoseconds grant_ttl = std::chrono::hours(24);   // the longest of `--until` and of `--uses`
  std::chrono::nanoseconds break_glass{0};                       // how long it lasts; 0: there is none
  std::chrono::nanoseconds cooldown = std::chrono::minutes(10);  // after a rejection
  BrokerLimits limits;
  NotifyConfig notify;
  std::string vetting_policy;         // of proposals (docs/vetting.md); empty: the built-in one
  std::vector<std::string> warnings;  // choices that weaken security

  // How many approvers the tool needs: the largest of all rules that name it, 1 where none does.
  int approvals_for(std::string_view tool) const;
  // Whose lists count for an agent that was recognised.
  const AgentLists& lists_of(const std::string& agent) const;

  // Fails with NotFound where there is no such file, with Invalid on the first error. Relative paths start at the
  // file's folder.
  static Result<BrokerConfig> load(const std::string& path);
};

}  // namespace countersign::broker
