// A tool call as an agent's framework writes it, as the intent gait's proxy makes of it (reference: gait-formats §17).
#pragma once

#include <string>
#include <string_view>

#include "common/json.h"
#include "common/result.h"

namespace countersign::gate {

// The call shapes: mcp {name, args}, openai {function: {name, arguments as JSON text}}, anthropic {name, input},
// langchain {tool, tool_input}, claude_code {tool_name, tool_input, session_id}. Each may carry targets,
// arg_provenance and a context, as an intent has them.
struct ToolCall {
  Json intent;                   // ready for Intent::parse
  bool context_is_made = false;  // whether identity, workspace or risk class had to be filled in
  std::string session_id;
  std::string run_id;
  std::string server_id;  // whose tool it is, where the call says so

  // An incomplete context is filled in as gait does (identity mcp-proxy, workspace ".", risk high). Fails with Invalid
  // on an unknown adapter and on a call that is not of its shape, naming the member.
  static Result<ToolCall> parse(std::string_view adapter, const Json& call);
};

}  // namespace countersign::gate
