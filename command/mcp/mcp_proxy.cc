// mcp proxy: the verdict on one tool call as an agent's framework writes it (reference: gait-formats §17).
#include <memory>
#include <vector>

#include "command/decision/gate_inputs.h"
#include "command/decision/gate_settings.h"
#include "command/line/command.h"
#include "command/line/input_file.h"
#include "command/line/key_files.h"
#include "command/line/signer_address.h"
#include "command/mcp/call_outputs.h"
#include "command/mcp/commands.h"
#include "command/mcp/job_stop.h"
#include "command/mcp/tool_call_answer.h"
#include "command/policy/policy_file.h"
#include "common/clock.h"
#include "common/text.h"
#include "gate/document/optional_members.h"
#include "gate/document/verdict.h"

namespace countersign::command {
namespace {

constexpr Flag kOwnFlags[] = {
    {"policy", Flag::Kind::Text, "FILE", "the policy, YAML"},
    {"call", Flag::Kind::Text, "FILE", "the call, JSON; - for stdin"},
    {"adapter", Flag::Kind::Text, "NAME", "its shape: mcp (default), openai, anthropic, langchain or claude_code"},
    {"approval-token", Flag::Kind::Text, "FILE", "an approval"},
    {"approval-token-chain", Flag::Kind::Text, "FILES", "further approvals, separated by commas"},
    {"run-id", Flag::Kind::Text, "ID", "what the run is called in the answer and the trace's name"},
    kJobRootFlag,
    {"trace-out", Flag::Kind::Text, "FILE", "where the trace goes (trace_<run>_<time>.json)"},
    {"runpack-out", Flag::Kind::Text, "FILE", "the run of this one call, a runpack: `verify` reads it"},
    {"pack-out", Flag::Kind::Text, "FILE",
     "what was decided, in a signed pack: `guard verify` or, with key files, `pack verify` reads it"},
    kLogExportFlag,
    kOtelExportFlag,
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
  // With key files digests are gait's; with the signer nothing that the caller says is lost.
  const gate::CallReading reading = in_key_file_mode(arguments) ? gate::CallReading::AsGait : gate::CallReading::Whole;
  presented.adapter = arguments.text("adapter", "mcp");
  ASSIGN_OR_RETURN(presented.call, gate::ToolCall::parse(presented.adapter, *call, reading));
  if (const std::string_view run = trimmed(arguments.text("run-id")); !run.empty()) presented.call.run_id = run;
  ASSIGN_OR_RETURN(presented.approval_tokens, read_approval_tokens(arguments));
  return presented;
}

struct Paths {
  std::string policy;
  std::string call;
};

// By flag, or in this order.
Result<Paths> paths_of(const Arguments& arguments) {
  Paths out{std::string(trimmed(arguments.text("policy"))), std::string(trimmed(arguments.text("call")))};
  std::vector<std::string> rest = arguments.positionals();
  for (std::string* path : {&out.policy, &out.call}) {
    if (!path->empty() || rest.empty()) continue;
    *path = rest.front();
    rest.erase(rest.begin());
  }
  if (!out.policy.empty() && !out.call.empty() && rest.empty()) return out;
  return invalid("expected --policy <policy.yaml> and --call <tool_call.json|->");
}

CallOutputs outputs_of(const Arguments& arguments) {
  const auto path = [&arguments](std::string_view flag) { return std::string(trimmed(arguments.text(flag))); };
  CallOutputs out{path("trace-out"), path("runpack-out"), path("pack-out"), path("export-log-out"),
                  path("export-otel-out")};
  if (out.trace.empty()) {
    out.trace = "trace_" + gate::run_id_of(arguments.text("run-id")) + "_" + file_stamp(SystemClock().now()) + ".json";
  }
  return out;
}

std::string text_of(const Json& members) {
  std::string text = std::string(members.text("verdict")) + "  " + std::string(members.text("tool_name")) +
                     "\ntrace         " + std::string(members.text("trace_path")) + "\n";
  if (const std::string_view path = members.text("runpack_path"); !path.empty()) {
    text += "runpack       " + std::string(path) + "\n";
  }
  if (const std::string_view path = members.text("pack_path"); !path.empty()) {
    text += "pack          " + std::string(path) + "\n";
  }
  return text;
}

Result<int> proxy(Call& call, const Arguments& arguments) {
  ASSIGN_OR_RETURN(const Paths paths, paths_of(arguments));
  RETURN_IF_ERROR(check_profile_flags(arguments));
  ASSIGN_OR_RETURN(const PresentedCall presented, read_call(arguments, paths.call));
  const CallOutputs outputs = outputs_of(arguments);
  RETURN_IF_ERROR(prepare_outputs(outputs));
  Result<gate::Policy> read = read_policy(paths.policy);
  if (!read) return refuse_policy(call, "mcp proxy", read.error(), paths.policy);
  gate::Policy policy = *std::move(read);
  const Digest digest = policy.policy_digest();
  ASSIGN_OR_RETURN(const std::unique_ptr<DecisionSigner> signer, decision_signer(arguments));
  ASSIGN_OR_RETURN(const JudgedCall judged,
                   judge_call(arguments, {paths.policy, std::move(policy), digest}, presented, *signer));
  Json members = call_members(judged, presented);
  RETURN_IF_ERROR(write_outputs(outputs, judged, presented, *signer, members));
  if (call.json) {
    answer_as_gait(call, members);
  } else {
    call.console.answer(text_of(members));
  }
  for (const std::string& warning : gate::texts_of(members.find("warnings"))) call.console.tell("warning: " + warning);
  if (!judged.said.notice.empty()) call.console.tell(judged.said.notice);
  const std::optional<statement::Verdict> verdict = statement::verdict_named(members.text("verdict"));
  return gate::exit_code_of(verdict.value_or(statement::Verdict::Block));
}

Command proxy_command(std::string_view words, std::string_view example) {
  static const std::vector<Flag> flags = with_settings(kOwnFlags);
  return {
      words,
      "--policy FILE --call FILE|- [--adapter NAME] [flags]",
      "Decides whether a tool call may run; it runs nothing",
      "Exits as gate eval does, of which it is another form: limits, credentials and approvals count here too.\n"
      "A call without identity, workspace and risk class is judged as mcp-proxy's, of risk high. Where the policy has\n"
      "mcp_trust, the call's server is looked up in its snapshot.",
      example,
      flags,
      Positionals::Anywhere,
      Shape::Gait,
      proxy};
}

}  // namespace

Command mcp_proxy_command() {
  return proxy_command("mcp proxy",
                       "countersign mcp proxy --policy policy.yaml --call call.json --adapter openai --json");
}

Command mcp_bridge_command() {
  return proxy_command("mcp bridge",
                       "countersign mcp bridge --policy policy.yaml --call call.json --adapter openai --json");
}

}  // namespace countersign::command
