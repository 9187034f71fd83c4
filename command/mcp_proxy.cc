// mcp proxy: the verdict on one tool call as an agent's framework writes it (reference: gait-formats §17).
#include <chrono>
#include <iterator>
#include <memory>

#include "command/command.h"
#include "command/commands.h"
#include "command/decision_evidence.h"
#include "command/decision_signer.h"
#include "command/evaluation.h"
#include "command/gate_answer.h"
#include "command/gate_inputs.h"
#include "command/gate_settings.h"
#include "command/input_file.h"
#include "command/signer_address.h"
#include "common/clock.h"
#include "common/text.h"
#include "gate/optional_members.h"
#include "gate/tool_call.h"
#include "gate/verdict.h"

namespace countersign::command {
namespace {

constexpr std::size_t kRunDigits = 12;

constexpr Flag kOwnFlags[] = {
    {"policy", Flag::Kind::Text, "FILE", "the policy, YAML"},
    {"call", Flag::Kind::Text, "FILE", "the call, JSON; - for stdin"},
    {"adapter", Flag::Kind::Text, "NAME", "its shape: mcp (default), openai, anthropic, langchain or claude_code"},
    {"approval-token", Flag::Kind::Text, "FILE", "an approval"},
    {"approval-token-chain", Flag::Kind::Text, "FILES", "further approvals, separated by commas"},
    {"trace-out", Flag::Kind::Text, "FILE", "where the trace goes (trace__<time>.json)"},
    kSignerFlag,
};

std::span<const Flag> all_flags() {
  static const std::vector<Flag> flags = [] {
    std::vector<Flag> out(std::begin(kOwnFlags), std::end(kOwnFlags));
    out.insert(out.end(), setting_flags().begin(), setting_flags().end());
    return out;
  }();
  return flags;
}

Error invalid(std::string detail) {
  return Error{ErrorCode::Invalid, std::move(detail)};
}

Result<gate::ToolCall> read_call(const Arguments& arguments, const std::string& path) {
  const std::string file = path == "-" ? "/dev/stdin" : path;
  ASSIGN_OR_RETURN(const std::string text, read_input("tool call", file));
  const Result<Json> call = Json::parse(text, Json::Limits{.gait = true});
  if (!call) return invalid("parse tool call: " + call.error().detail);
  return gate::ToolCall::parse(arguments.text("adapter", "mcp"), *call);
}

// "20261127T063500.5Z"
std::string stamp(UtcTime now) {
  std::string text = now.rfc3339();
  std::erase_if(text, [](char c) { return c == '-' || c == ':'; });
  return text;
}

struct Judged {
  EvaluationAnswer said;
  std::string policy_digest;
  std::int64_t milliseconds = 0;
};

Result<Judged> judge(const Arguments& arguments, const std::string& policy_path, const gate::ToolCall& call) {
  const auto started = std::chrono::steady_clock::now();
  ASSIGN_OR_RETURN(const std::string policy_text, read_input("policy", policy_path));
  ASSIGN_OR_RETURN(gate::Policy policy, gate::Policy::parse(policy_text));
  const Digest policy_digest = policy.policy_digest();
  if (policy.mcp_trust() && policy.mcp_trust()->enabled) {
    return Error{ErrorCode::Invalid,
                 "the policy's mcp_trust asks for a trust snapshot, which this program does not judge",
                 "mcp_trust_unsupported", "leave mcp_trust out, and name the tools that may be called in rules"};
  }
  ASSIGN_OR_RETURN(GateInputs inputs,
                   gate_inputs(arguments, {std::move(policy), policy_digest, call.intent, {}, SystemClock().now()}));
  ASSIGN_OR_RETURN(inputs.tokens, read_approval_tokens(arguments));
  ASSIGN_OR_RETURN(DecisionEvidence evidence, DecisionEvidence::prepare(arguments));
  RETURN_IF_ERROR(check_profile(arguments.text("profile", "standard"), inputs.policy, false, evidence.brokers()));
  ASSIGN_OR_RETURN(const std::unique_ptr<DecisionSigner> signer, decision_signer(arguments));
  EvaluationOptions options;
  options.profile = arguments.text("profile", "standard");
  options.kill_switch_state = trimmed(arguments.text("kill-switch-state"));
  options.policy_path = policy_path;
  options.as_proxy = true;
  Evaluation evaluation(std::move(inputs), std::move(evidence), *signer, std::move(options));
  ASSIGN_OR_RETURN(EvaluationAnswer said, evaluation.conclude());
  const auto spent = std::chrono::steady_clock::now() - started;
  return Judged{std::move(said), policy_digest.hex(),
                std::chrono::duration_cast<std::chrono::milliseconds>(spent).count()};
}

Json members_of(const Judged& judged, const gate::ToolCall& call, std::string_view adapter, const std::string& path) {
  const Json& trace = judged.said.records.front().document;
  const Json& decided = judged.said.members;
  Json out = Json::object({{"ok", true},
                           {"adapter", lowered(trimmed(adapter))},
                           {"executed", false},
                           {"decision_latency_ms", judged.milliseconds},
                           {"tool_name", trace.text("tool_name")},
                           {"verdict", decided.text("verdict")},
                           {"trace_id", trace.text("trace_id")},
                           {"trace_path", path},
                           {"intent_digest", trace.text("intent_digest")},
                           {"policy_digest", judged.policy_digest},
                           {"policy_id", trace.text("policy_id")},
                           {"policy_version", trace.text("policy_version")}});
  for (const std::string_view name : {"phase", "reason_codes", "violations", "approval_ref"}) {
    if (const Json* member = decided.find(name)) out.set(name, *member);
  }
  if (const Json* relationship = trace.find("relationship")) out.set("relationship", *relationship);
  out.set("run_id", !call.run_id.empty() ? call.run_id
                                         : "run_mcp_" + std::string(trace.text("intent_digest").substr(0, kRunDigits)));
  gate::put(out, "session_id", call.session_id);
  std::vector<std::string> warnings = gate::texts_of(decided.find("warnings"));
  if (call.context_is_made) {
    warnings.emplace_back(
        "standard profile applied fallback intent context; use --profile oss-prod for strict context enforcement");
  }
  gate::put(out, "warnings", warnings);
  return out;
}

Result<int> proxy(Call& call, const Arguments& arguments) {
  if (!arguments.positionals().empty()) return invalid("unexpected positional arguments");
  const std::string policy_path(trimmed(arguments.text("policy")));
  const std::string call_path(trimmed(arguments.text("call")));
  if (policy_path.empty() || call_path.empty()) return invalid("both --policy and --call are required");
  RETURN_IF_ERROR(check_profile_flags(arguments));
  ASSIGN_OR_RETURN(const gate::ToolCall tool_call, read_call(arguments, call_path));
  if (tool_call.context_is_made && arguments.text("profile") == kOssProd) {
    return invalid("oss-prod profile requires context.identity, context.workspace and context.risk_class in the call");
  }
  std::string path(trimmed(arguments.text("trace-out")));
  RETURN_IF_ERROR(refuse_traversal("trace", path));
  if (path.empty()) path = "trace__" + stamp(SystemClock().now()) + ".json";
  RETURN_IF_ERROR(prepare_output("trace", path));
  ASSIGN_OR_RETURN(const Judged judged, judge(arguments, policy_path, tool_call));
  RETURN_IF_ERROR(write_output(path, judged.said.records.front().document.gait_file()));
  const Json members = members_of(judged, tool_call, arguments.text("adapter", "mcp"), path);
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
  return {"mcp proxy",
          "--policy FILE --call FILE|- [--adapter NAME] [flags]",
          "Decides whether a tool call may run; it runs nothing",
          "Exits as gate eval does, of which it is another form: limits, credentials and approvals count here too.\n"
          "A call without identity, workspace and risk class is judged as mcp-proxy's, of risk high.",
          "countersign mcp proxy --policy policy.yaml --call call.json --adapter openai --json",
          all_flags(),
          Positionals::EndFlags,
          Shape::Gait,
          proxy};
}

}  // namespace countersign::command
