// A judged tool call as a line for logs and as one for collectors of telemetry, as gait's proxy exports it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "common/json.h"
#include "common/result.h"

namespace countersign::command {

// Both lines are about a call's answer (call_members in tool_call_answer.h, with `trace_path` where the trace is in a
// file) and its signed trace. `session_id` is the call's own.

// The members of gait's log line, in its order: created_at, producer_version, run_id, session_id, trace_id, trace_path,
// tool_name, verdict, reason_codes, policy_digest, intent_digest, decision_latency_ms, delegation_ref,
// delegation_depth; empty ones left out where gait does.
std::string log_line(const Json& answer, const Json& trace, std::string_view session_id);

// {attributes {gait.…}, body "gait.mcp.proxy.decision", severity_text, time_unix_nano, trace_id}; nothing left out.
// Fails with Invalid where the trace has no time.
Result<std::string> otel_line(const Json& answer, const Json& trace, std::string_view session_id);

}  // namespace countersign::command
