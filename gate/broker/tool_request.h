// A call that waits for people, and what came of it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/clock.h"
#include "common/json.h"
#include "common/result.h"
#include "gate/broker/broker_config.h"

namespace countersign::broker {

enum class RequestStatus {
  Pending,
  Approved,  // enough people agreed and the call has not come again yet
  Used,      // its approvals were redeemed: by the call, or for a grant or a list entry
  Rejected,
  Expired,
};
std::string_view name_of(RequestStatus status);
std::optional<RequestStatus> request_status_named(std::string_view name);

// "Agent 'web' wants to call tool 'fs:write'"
std::string summary_of(std::string_view agent, std::string_view tool);

struct ToolRequest {
  std::string id;  // 16 hex digits
  std::string agent;
  std::string tool;
  Json args;
  std::string args_digest;        // SHA-256 of the canonical form (RFC 8785), hex
  std::string definition_digest;  // of the tool as its server defined it; empty where no server offers it
  std::string action_class;
  std::string intent_digest;
  std::string policy_digest;
  std::string policy;  // the gate's policy that asks for approval, YAML
  std::string rule;    // of the lists
  int required = 1;
  RequestStatus status = RequestStatus::Pending;
  UtcTime requested_at;
  UtcTime expires_at;
  std::optional<UtcTime> decided_at;
  std::string reason;
  std::vector<Json> tokens;  // approvals so far, as the signer minted them
  std::optional<GrantMode> mode;
  std::int64_t uses = 0;         // of mode Uses
  std::optional<UtcTime> until;  // of mode Until
  Json review;                   // of mode BreakGlass: {"at","uid","reason"} once somebody looked at it; else null
  // The row as it was read, empty for a new request: a change is of what was read, or it is none.
  std::string stored;

  std::string summary() const { return summary_of(agent, tool); }
  Json to_json() const;  // all of it, as it is stored
  static Result<ToolRequest> from_json(const Json& json);
};

// Whose approvals they are, in their order.
std::vector<std::string> approvers_of(const std::vector<Json>& tokens);

// Where the commands look for the broker unless they are told.
inline constexpr std::string_view kUsualSocket = "/run/countersign-broker/broker.sock";
// A line for a person to type, "countersign broker " and `words`; it names the socket where that is not the usual one.
std::string broker_line(std::string_view words, std::string_view socket);
// The line by which a person approves a request, or a proposal.
std::string how_to_approve(std::string_view id, std::string_view socket);

// The tool may be called with exactly these arguments, so often or so long.
struct Grant {
  std::string id;
  std::string request;  // that it came from
  std::string agent;
  std::string tool;
  std::string args_digest;  // empty: with any arguments (break-glass)
  std::string definition_digest;
  std::string policy_digest;  // of the operator's policy; empty where the lists alone decide
  std::optional<std::int64_t> uses_left;
  UtcTime expires_at;
};

}  // namespace countersign::broker
