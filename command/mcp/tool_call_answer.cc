#include "command/mcp/tool_call_answer.h"

#include <chrono>

#include "command/decision/decision_evidence.h"
#include "command/decision/gate_answer.h"
#include "command/decision/gate_inputs.h"
#include "command/mcp/job_stop.h"
#include "command/mcp/trust_snapshot.h"
#include "common/clock.h"
#include "common/text.h"
#include "gate/document/optional_members.h"

namespace countersign::command {
namespace {

constexpr std::size_t kRunDigits = 12;

Status check(const gate::ToolCall& call, std::string_view profile) {
  const bool strictly = profile == kOssProd;
  RETURN_IF_ERROR(call.oauth.check(strictly));
  if (!strictly || call.missing.empty()) return ok();
  const std::string member = "context." + call.missing;
  return Error{ErrorCode::Invalid, member + " is required in strict profile"}.at(member);
}

struct Trust {
  std::optional<gate::TrustFinding> finding;
  std::string notice;
};

Trust trust_in_server(const gate::Policy& policy, const gate::ToolCall& call, const GateInputs& inputs, UtcTime now) {
  const std::optional<gate::McpTrust>& demanded = policy.mcp_trust();
  if (!demanded || !demanded->enabled) return {};
  ReadSnapshot read = read_trust_snapshot(*demanded);
  const gate::McpServer* server = call.server ? &*call.server : nullptr;
  return {gate::trust_in(*demanded, server, inputs.judged.intent.context().risk_class, read.given, now),
          std::move(read.notice)};
}

}  // namespace

Result<JudgedCall> judge_call(const Arguments& settings, LoadedPolicy policy, const PresentedCall& presented,
                              DecisionSigner& signer) {
  const auto started = std::chrono::steady_clock::now();
  const std::string profile(settings.text("profile", "standard"));
  RETURN_IF_ERROR(check(presented.call, profile));
  const UtcTime now = SystemClock().now();
  ASSIGN_OR_RETURN(GateInputs inputs,
                   gate_inputs(settings, {std::move(policy.policy), policy.digest, presented.call.intent, {}, now}));
  inputs.tokens = presented.approval_tokens;
  ASSIGN_OR_RETURN(DecisionEvidence evidence, DecisionEvidence::prepare(settings));
  evidence.present(presented.delegation_tokens);
  RETURN_IF_ERROR(check_profile(profile, inputs.policy, false, evidence.brokers()));
  EvaluationOptions options;
  options.profile = profile;
  options.kill_switch_state = trimmed(settings.text("kill-switch-state"));
  options.policy_path = policy.path;
  options.as_proxy = true;
  Trust trust = trust_in_server(inputs.policy, presented.call, inputs, now);
  options.trust = std::move(trust.finding);
  JobStop stop = job_stop(settings.text(kJobRootFlag.name), presented.call.job_id);
  options.job_stop = std::move(stop.reason);
  if (!stop.warning.empty()) inputs.warnings.push_back(std::move(stop.warning));
  Evaluation evaluation(std::move(inputs), std::move(evidence), signer, std::move(options));
  ASSIGN_OR_RETURN(EvaluationAnswer said, evaluation.conclude());
  if (!trust.notice.empty()) said.notice += (said.notice.empty() ? "" : "\n") + trust.notice;
  const auto spent = std::chrono::steady_clock::now() - started;
  return JudgedCall{std::move(said), policy.digest.hex(),
                    std::chrono::duration_cast<std::chrono::milliseconds>(spent).count()};
}

Json call_members(const JudgedCall& judged, const PresentedCall& presented) {
  const gate::ToolCall& call = presented.call;
  const Json& trace = judged.said.records.front().document;
  const Json& decided = judged.said.members;
  Json out = Json::object({{"ok", true},
                           {"adapter", lowered(trimmed(presented.adapter))},
                           {"executed", false},
                           {"decision_latency_ms", judged.milliseconds},
                           {"tool_name", trace.text("tool_name")},
                           {"verdict", decided.text("verdict")},
                           {"trace_id", trace.text("trace_id")},
                           {"intent_digest", trace.text("intent_digest")},
                           {"policy_digest", judged.policy_digest},
                           {"policy_id", trace.text("policy_id")},
                           {"policy_version", trace.text("policy_version")}});
  for (const std::string_view name : {"phase", "reason_codes", "violations", "approval_ref"}) {
    if (const Json* member = decided.find(name)) out.set(name, *member);
  }
  if (const Json* relationship = trace.find("relationship")) out.set("relationship", *relationship);
  for (const std::string_view name : {"matched_rule_ids", "mcp_trust"}) {
    if (const Json* member = trace.find(name)) out.set(name, *member);
  }
  const std::string run_id = gate::run_id_of(call.run_id);
  out.set("run_id",
          !run_id.empty() ? run_id : "run_mcp_" + std::string(trace.text("intent_digest").substr(0, kRunDigits)));
  gate::put(out, "job_id", trimmed(call.job_id));
  gate::put(out, "session_id", call.session_id);
  std::vector<std::string> warnings = gate::texts_of(decided.find("warnings"));
  if (call.context_is_made) {
    warnings.emplace_back(
        "standard profile applied fallback intent context; use --profile oss-prod for strict context enforcement");
  }
  gate::put(out, "warnings", warnings);
  return out;
}

}  // namespace countersign::command
