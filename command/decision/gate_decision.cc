#include "command/decision/gate_decision.h"

#include <algorithm>
#include <tuple>

#include "common/text.h"

namespace countersign::command {
namespace {

void add(std::vector<std::string>& codes, std::string code) {
  const auto place = std::ranges::lower_bound(codes, code);
  if (place == codes.end() || *place != code) codes.insert(place, std::move(code));
}

}  // namespace

Result<gate::Decision> decide(const GateInputs& inputs) {
  return gate::evaluate(inputs.policy, inputs.judged, inputs.evidence, inputs.evaluated_at);
}

gate::ApprovalJudgement PresentedApprovals::judge(const gate::Decision& decision, const keymgmt::KeySet& keys,
                                                  UtcTime now) const {
  const gate::ApprovalRules rules{keys};
  gate::ApprovalJudgement judgement = gate::judge_approvals(usable_, inputs_.judged, inputs_.intent_digest,
                                                            inputs_.policy_digest, decision, rules, now);
  for (const TurnedDown& down : turned_down_) {
    gate::ApprovalEntry entry = gate::judge_token(down.token, inputs_.judged, inputs_.intent_digest,
                                                  inputs_.policy_digest, decision, rules, now);
    entry.valid = false;
    entry.error_code = down.code;
    judgement.entries.push_back(std::move(entry));
    if (!judgement.approved) add(judgement.reason_codes, down.code);
  }
  if (!turned_down_.empty() && usable_.empty()) {
    // Tokens were presented; they just do not count.
    std::erase(judgement.reason_codes, "approval_token_missing");
    add(judgement.reason_codes, "approval_chain_insufficient");
  }
  std::ranges::sort(judgement.entries, {}, [](const gate::ApprovalEntry& entry) {
    return std::tie(entry.token_id, entry.approver_identity, entry.reason_code, entry.expires_at, entry.scope);
  });
  return judgement;
}

bool PresentedApprovals::turn_down(const std::vector<client::TokenFinding>& findings) {
  bool some = false;
  for (const client::TokenFinding& finding : findings) {
    for (auto token = usable_.begin(); token != usable_.end();) {
      if (trimmed(token->text("token_id")) != finding.token_id) {
        ++token;
        continue;
      }
      turned_down_.push_back({std::move(*token), finding.code});
      token = usable_.erase(token);
      some = true;
    }
  }
  return some;
}

Status check_profile(std::string_view profile, const gate::Policy& policy, bool simulate, bool brokers) {
  if (profile == "standard") return ok();
  const auto refuse = [](std::string detail) { return Error{ErrorCode::Invalid, std::move(detail)}; };
  if (profile != kOssProd) {
    return refuse("unsupported --profile value \"" + std::string(profile) + "\" (expected standard or oss-prod)");
  }
  if (simulate) return refuse("oss-prod profile does not allow --simulate");
  if (policy.default_verdict() == gate::Verdict::Allow) {
    return refuse(
        "oss-prod profile rejects policy default_verdict=allow; use default_verdict: block or require_approval");
  }
  bool needs_broker = false;
  for (const gate::Rule& rule : policy.rules()) {
    const bool risky = std::ranges::any_of(
        rule.match.risk_classes, [](const std::string& risk) { return risk == "high" || risk == "critical"; });
    if (!risky || rule.effect == gate::Verdict::Block) continue;
    if (!rule.require_broker_credential) {
      return refuse("oss-prod profile requires high-risk allow/approval rules to set require_broker_credential: true");
    }
    needs_broker = true;
  }
  if (needs_broker && !brokers) {
    return refuse("oss-prod profile requires --credential-broker for high-risk policies");
  }
  return ok();
}

}  // namespace countersign::command
