// mcp proxy: the verdict on one tool call as an agent's framework writes it (reference: gait-formats §17).
#include <memory>
#include <vector>

#include "command/command.h"
#include "command/commands.h"
#include "command/gate_inputs.h"
#include "command/gate_settings.h"
#include "command/input_file.h"
#include "command/policy_file.h"
#include "command/signer_address.h"
#include "command/tool_call_answer.h"
#include "common/clock.h"
#include "common/text.h"
#include "gate/optional_members.h"
#include "gate/verdict.h"

namespace countersign::command {
namespace {

constexpr Flag kOwnFlags[] = {
    {"policy", Flag::Kind::Text, "FILE", "the policy, YAML"},
    {"call", Flag::Kind::Text, "FILE", "the call, JSON; - for stdin"},
    {"adapter", Flag::Kind::Text, "NAME", "its shape: mcp (default), openai, anthropic, langchain or claude_code"},
    {"approval-token", Flag::Kind::Text, "FILE", "an approval"},
    {"approval-token-chain", Flag::Kind::Text, "FILES", "further approvals, separated by commas"},
    {"trace-out", Flag::Kind::Text, "FILE", "where the trace goes (trace__<time>.json)"},
    kSignerFlag,
};

Error invalid(std::string detail) {
  return Error{ErrorCode::Invalid, std::move(detail)};
}

Result<PresentedCall> read_call(const Arguments& arguments, const std::string& path) {
  const std::string file = path == "-" ? "/dev/stdin" : path;
  ASSIGN_OR_RETURN(const std::string text, read_input("tool call", file));
  const Result<Json> call = Json::parse(text, Json::Limits{.gait = true});
  if (!call) return invalid("parse tool call: " + call.error().detail);
  PresentedCall presented;
  presented.adapter = arguments.text("adapter", "mcp");
  ASSIGN_OR_RETURN(presented.call, gate::ToolCall::parse(presented.adapter, *call));
  ASSIGN_OR_RETURN(presented.approval_tokens, read_approval_tokens(arguments));
  return presented;
}

// "20261127T063500.5Z"
std::string stamp(UtcTime now) {
  std::string text = now.rfc3339();
  std::erase_if(text, [](char c) { return c == '-' || c == ':'; });
  return text;
}

Result<int> proxy(Call& call, const Arguments& arguments) {
  if (!arguments.positionals().empty()) return invalid("unexpected positional arguments");
  const std::string policy_path(trimmed(arguments.text("policy")));
  const std::string call_path(trimmed(arguments.text("call")));
  if (policy_path.empty() || call_path.empty()) return invalid("both --policy and --call are required");
  RETURN_IF_ERROR(check_profile_flags(arguments));
  ASSIGN_OR_RETURN(const PresentedCall presented, read_call(arguments, call_path));
  std::string path(trimmed(arguments.text("trace-out")));
  RETURN_IF_ERROR(refuse_traversal("trace", path));
  if (path.empty()) path = "trace__" + stamp(SystemClock().now()) + ".json";
  RETURN_IF_ERROR(prepare_output("trace", path));
  ASSIGN_OR_RETURN(gate::Policy policy, read_policy(policy_path));
  const Digest digest = policy.policy_digest();
  ASSIGN_OR_RETURN(const std::unique_ptr<DecisionSigner> signer, decision_signer(arguments));
  ASSIGN_OR_RETURN(const JudgedCall judged,
                   judge_call(arguments, {policy_path, std::move(policy), digest}, presented, *signer));
  RETURN_IF_ERROR(write_output(path, judged.said.records.front().document.gait_file()));
  Json members = call_members(judged, presented);
  members.set("trace_path", path);
  if (call.json) {
    answer_as_gait(call, members);
  } else {
    call.console.answer(std::string(members.text("verdict")) + "  " + std::string(members.text("tool_name")) +
                        "\ntrace         " + path + "\n");
  }
  for (const std::string& warning : gate::texts_of(members.find("warnings"))) call.console.tell("warning: " + warning);
  if (!judged.said.notice.empty()) call.console.tell(judged.said.notice);
  const std::optional<statement::Verdict> verdict = statement::verdict_named(members.text("verdict"));
  return gate::exit_code_of(verdict.value_or(statement::Verdict::Block));
}

}  // namespace

Command mcp_proxy_command() {
  static const std::vector<Flag> flags = with_settings(kOwnFlags);
  return {"mcp proxy",
          "--policy FILE --call FILE|- [--adapter NAME] [flags]",
          "Decides whether a tool call may run; it runs nothing",
          "Exits as gate eval does, of which it is another form: limits, credentials and approvals count here too.\n"
          "A call without identity, workspace and risk class is judged as mcp-proxy's, of risk high.",
          "countersign mcp proxy --policy policy.yaml --call call.json --adapter openai --json",
          flags,
          Positionals::EndFlags,
          Shape::Gait,
          proxy};
}

}  // namespace countersign::command
