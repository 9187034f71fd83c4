#include "command/gate_inputs.h"

#include <set>

#include "command/attestation.h"
#include "command/fail_closed_mode.h"
#include "command/input_file.h"
#include "command/key_files.h"
#include "command/tool_inventory.h"
#include "common/text.h"
#include "gate/context_envelope.h"
#include "gate/kill_switch.h"

namespace countersign::command {
namespace {

Error invalid(std::string detail) {
  return Error{ErrorCode::Invalid, std::move(detail)};
}

// gait-formats §9.4: the sorted set of path texts.
std::set<std::string> token_paths(const Arguments& arguments) {
  std::set<std::string> paths;
  const auto add = [&paths](std::string_view text) {
    const std::string_view path = trimmed(text);
    if (!path.empty()) paths.emplace(path);
  };
  add(arguments.text("approval-token"));
  std::string_view chain = arguments.text("approval-token-chain");
  while (!chain.empty()) {
    const std::size_t comma = std::min(chain.find(','), chain.size());
    add(chain.substr(0, comma));
    chain.remove_prefix(std::min(comma + 1, chain.size()));
  }
  return paths;
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
  if (!time) return invalid("invalid --evaluation-time: " + time.error().detail);
  return time;
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

Result<GateInputs> read_gate_inputs(const Arguments& arguments, UtcTime now) {
  const std::string policy_path(trimmed(arguments.text("policy")));
  const std::string intent_path(trimmed(arguments.text("intent")));
  if (policy_path.empty() || intent_path.empty()) return invalid("both --policy and --intent are required");
  ASSIGN_OR_RETURN(const gate::ContextTrust trust, context_trust(arguments));
  ASSIGN_OR_RETURN(const UtcTime evaluated_at, evaluation_time(arguments, now));

  ASSIGN_OR_RETURN(const std::string policy_text, read_input("policy", policy_path));
  ASSIGN_OR_RETURN(gate::Policy policy, gate::Policy::parse(policy_text));
  const Digest policy_digest = policy.policy_digest();
  ASSIGN_OR_RETURN(Json document, read_document("intent", intent_path));
  ASSIGN_OR_RETURN(gate::Intent intent, gate::Intent::parse(document));
  ASSIGN_OR_RETURN(gate::Evidence evidence, kill_switch(arguments, intent));
  std::vector<std::string> warnings;
  ASSIGN_OR_RETURN(evidence.inventory, read_tool_inventory(arguments, intent, warnings));

  std::optional<gate::ContextEnvelope> envelope;
  if (const std::string path(trimmed(arguments.text("context-envelope"))); !path.empty()) {
    ASSIGN_OR_RETURN(const std::string text, read_input("context envelope", path));
    RETURN_IF_ERROR(require_attested(arguments, path, text));
    ASSIGN_OR_RETURN(envelope, gate::ContextEnvelope::parse(std::string_view(text)));
  }
  ASSIGN_OR_RETURN(gate::JudgedIntent judged,
                   gate::with_context(std::move(intent), envelope, trust,
                                      in_key_file_mode(arguments) ? gate::AgeInDigest::Hashed : gate::AgeInDigest::Left,
                                      evaluated_at));
  if (evidence.inventory) judged = gate::with_inventory(std::move(judged), *evidence.inventory);
  const Digest intent_digest = judged.intent.intent_digest();

  std::vector<Json> tokens;
  for (const std::string& path : token_paths(arguments)) {
    ASSIGN_OR_RETURN(Json token, read_document("approval token", path));
    tokens.push_back(std::move(token));
  }
  return GateInputs{std::move(policy), policy_digest,       std::move(judged), intent_digest,      std::move(document),
                    std::move(tokens), std::move(evidence), evaluated_at,      std::move(warnings)};
}

}  // namespace countersign::command
