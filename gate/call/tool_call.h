// A tool call as an agent's framework writes it, as the intent gait's proxy makes of it (reference: gait-formats §17).
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "common/json.h"
#include "common/result.h"
#include "gate/call/mcp_trust.h"
#include "gate/call/oauth_evidence.h"

namespace countersign::gate {

// What of a call counts.
enum class CallReading {
  Whole,   // all that an intent may say, in every shape: nothing the caller says is lost before it is judged
  AsGait,  // what gait takes of it, so that the digests are gait's (docs/gait-differences.md, mcp-call-members)
};

// The call shapes: mcp {name, args | script, target | targets, arg_provenance, server, context, delegation,
// created_at}, openai {function: {name, arguments}}, anthropic {name, input}, langchain {tool, tool_input},
// claude_code {tool_name, tool_input, session_id, hook_event_name}. Arguments may be the text of a JSON object in
// openai, langchain and claude_code. claude_code's tools get gait's names (Bash is tool.exec) and the targets that
// their arguments name.
struct ToolCall {
  Json intent;                   // ready for Intent::parse
  bool context_is_made = false;  // whether identity, workspace or session are missing in the call
  std::string missing;           // the first of them, as profile oss-prod names it; empty where all are there
  std::string session_id;
  std::string run_id;
  std::string job_id;
  std::optional<McpServer> server;  // whose tool it is, where the call says so
  OauthEvidence oauth;

  // An incomplete context is filled in as gait does (identity mcp-proxy, workspace ".", risk high). Fails with Invalid
  // on an unknown adapter and on a call that is not of its shape, naming the member.
  static Result<ToolCall> parse(std::string_view adapter, const Json& call, CallReading reading);
};

// gait's run ids: other characters than letters, digits, _ and - become _, and "run_" stands before. Empty for "".
std::string run_id_of(std::string_view text);

}  // namespace countersign::gate
