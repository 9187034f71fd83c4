#include "command/decision/gate_inputs.h"

#include <set>

#include "command/decision/attestation.h"
#include "command/decision/fail_closed_mode.h"
#include "command/decision/tool_inventory.h"
#include "command/line/comma_list.h"
#include "command/line/input_file.h"
#include "command/line/key_files.h"
#include "common/text.h"
#include "gate/context/context_envelope.h"
#include "gate/document/go_texts.h"
#include "gate/state/kill_switch.h"

namespace countersign::command {
namespace {

Error invalid(std::string detail) {
  return Error{ErrorCode::Invalid, std::move(detail)};
}

Result<gate::ContextTrust> context_trust(const Arguments& arguments) {
  const std::string_view text = arguments.text("context-evidence", "envelope");
  if (text == "envelope") return gate::ContextTrust::Envelope;
  if (text == "intent") return gate::ContextTrust::Claims;
  return invalid("unsupported context evidence: \"" + std::string(text) + "\", expected envelope or intent");
}

Result<UtcTime> evaluation_time(const Arguments& arguments, UtcTime now) {
  const std::string_view text = trimmed(arguments.text("evaluation-time"));
  if (text.empty()) return now;
  Result<UtcTime> time = UtcTime::parse(text);
  if (!time) return invalid("invalid --evaluation-time: " + gate::go_time_complaint(text));
  return time;
}

Result<gate::ArgsReading> args_reading(const Arguments& arguments) {
  const bool as_gait = arguments.is_on("gait-args");
  if (!arguments.is_on("exact-args")) return as_gait ? gate::ArgsReading::AsGait : gate::ArgsReading::Bound;
  if (as_gait) return invalid("--gait-args and --exact-args: one of them");
  return gate::ArgsReading::Exact;
}

// gait-formats §7 step 0: an unreadable state stops what is risky, and is an error for the rest.
Result<gate::Evidence> kill_switch(const Arguments& arguments, const gate::Intent& intent) {
  gate::Evidence evidence;
  const std::string path(trimmed(arguments.text("kill-switch-state")));
  if (path.empty()) return evidence;
  const auto read = [&]() -> Result<gate::KillSwitch> {
    ASSIGN_OR_RETURN(const std::string text, read_input("kill switch state", path));
    RETURN_IF_ERROR(require_attested(arguments, path, text));
    return gate::KillSwitch::parse(text);
  };
  Result<gate::KillSwitch> state = read();
  if (state) {
    evidence.kill_switch = *std::move(state);
    return evidence;
  }
  if (!fails_closed(arguments, intent)) return std::move(state).error();
  evidence.kill_switch_unavailable = true;
  return evidence;
}

}  // namespace

Result<GateInputs> gate_inputs(const Arguments& settings, GateQuestion question) {
  ASSIGN_OR_RETURN(const gate::ContextTrust trust, context_trust(settings));
  ASSIGN_OR_RETURN(const gate::ArgsReading reading, args_reading(settings));
  ASSIGN_OR_RETURN(gate::Intent intent, gate::Intent::parse(question.intent_document, reading));
  ASSIGN_OR_RETURN(gate::Evidence evidence, kill_switch(settings, intent));
  std::vector<std::string> warnings;
  ASSIGN_OR_RETURN(evidence.inventory, read_tool_inventory(settings, intent, warnings));
  std::optional<gate::ContextEnvelope> envelope;
  if (question.envelope) {
    ASSIGN_OR_RETURN(envelope, question.envelope());
  }
  ASSIGN_OR_RETURN(gate::JudgedIntent judged,
                   gate::with_context(std::move(intent), envelope, trust,
                                      in_key_file_mode(settings) ? gate::AgeInDigest::Hashed : gate::AgeInDigest::Left,
                                      question.evaluated_at));
  if (evidence.inventory) judged = gate::with_inventory(std::move(judged), *evidence.inventory);
  const Digest intent_digest = judged.intent.intent_digest();
  return GateInputs{std::move(question.policy),
                    question.policy_digest,
                    std::move(judged),
                    intent_digest,
                    std::move(question.intent_document),
                    {},
                    std::move(evidence),
                    question.evaluated_at,
                    std::move(warnings)};
}

Result<GateInputs> read_gate_inputs(const Arguments& arguments, UtcTime now) {
  const std::string policy_path(trimmed(arguments.text("policy")));
  const std::string intent_path(trimmed(arguments.text("intent")));
  if (policy_path.empty() || intent_path.empty()) return invalid("both --policy and --intent are required");
  RETURN_IF_ERROR(context_trust(arguments));
  ASSIGN_OR_RETURN(const UtcTime evaluated_at, evaluation_time(arguments, now));

  ASSIGN_OR_RETURN(const std::string policy_text, read_input("policy", policy_path));
  ASSIGN_OR_RETURN(gate::Policy policy, gate::Policy::parse(policy_text));
  const Digest policy_digest = policy.policy_digest();
  ASSIGN_OR_RETURN(const std::string intent_text, read_input("intent", intent_path));
  ASSIGN_OR_RETURN(const gate::ArgsReading reading, args_reading(arguments));
  ASSIGN_OR_RETURN(Json document, gate::Intent::read(intent_text, reading));
  GateQuestion question{std::move(policy), policy_digest, std::move(document), {}, evaluated_at};
  if (const std::string path(trimmed(arguments.text("context-envelope"))); !path.empty()) {
    question.envelope = [&arguments, path]() -> Result<std::optional<gate::ContextEnvelope>> {
      ASSIGN_OR_RETURN(const std::string text, read_input("context envelope", path));
      RETURN_IF_ERROR(require_attested(arguments, path, text));
      ASSIGN_OR_RETURN(gate::ContextEnvelope envelope, gate::ContextEnvelope::parse(std::string_view(text)));
      return std::optional(std::move(envelope));
    };
  }
  ASSIGN_OR_RETURN(GateInputs inputs, gate_inputs(arguments, std::move(question)));
  ASSIGN_OR_RETURN(inputs.tokens, read_approval_tokens(arguments));
  return inputs;
}

Result<std::vector<Json>> read_approval_tokens(const Arguments& arguments) {
  // gait-formats §9.4: the sorted set of path texts.
  std::set<std::string> paths;
  if (const std::string_view path = trimmed(arguments.text("approval-token")); !path.empty()) paths.emplace(path);
  for (std::string& path : comma_list(arguments.text("approval-token-chain"))) paths.insert(std::move(path));
  std::vector<Json> tokens;
  for (const std::string& path : paths) {
    ASSIGN_OR_RETURN(Json token, read_document("approval token", path));
    tokens.push_back(std::move(token));
  }
  return tokens;
}

}  // namespace countersign::command
