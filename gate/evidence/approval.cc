#include "gate/evidence/approval.h"

#include <algorithm>
#include <set>
#include <tuple>

#include "common/text.h"
#include "gate/document/optional_members.h"
#include "signer/statement/statement.h"

namespace countersign::gate {
namespace {

// What can be said of a token, verified or not, for the audit.
ApprovalEntry entry_of(const Json& token) {
  ApprovalEntry entry;
  if (!token.is_object()) return entry;
  entry.token_id = trimmed(token.text("token_id"));
  entry.approver_identity = trimmed(token.text("approver_identity"));
  entry.reason_code = trimmed(token.text("reason_code"));
  entry.scope = text_set(texts_of(token.find("scope")), true);
  if (const Result<UtcTime> expires_at = UtcTime::parse(token.text("expires_at"))) entry.expires_at = *expires_at;
  return entry;
}

// gait-formats §9.3, steps 1 and 2: where there is an envelope at all, a fault in it is an invalid signature.
std::string_view code_of(const Error& error, const Json& token) {
  if (error.code == ErrorCode::Invalid) return "approval_token_invalid";
  const Json* envelope = token.find("signature");
  const bool has_envelope = envelope != nullptr && !envelope->is_null();
  return has_envelope ? "approval_token_signature_invalid" : "approval_token_signature_missing";
}

// What an approval's limits are counted against (gait-formats §9.3.6).
struct Extent {
  std::int64_t targets = 0;
  std::int64_t operations = 0;
};

Extent extent_of(const Intent& intent) {
  Extent extent;
  extent.targets = static_cast<std::int64_t>(intent.fields().targets.size());
  extent.operations = std::max<std::int64_t>(extent.targets, 1);
  if (!intent.is_script()) return extent;
  std::int64_t of_steps = 0;
  for (const ScriptStep& step : *intent.fields().script) of_steps += static_cast<std::int64_t>(step.targets.size());
  if (of_steps > 0) extent.targets = of_steps;
  extent.operations = static_cast<std::int64_t>(intent.fields().script->size());
  return extent;
}

bool covers(const std::vector<std::string>& scope, const std::vector<std::string>& required) {
  return std::all_of(required.begin(), required.end(), [&scope](const std::string& word) {
    return std::find(scope.begin(), scope.end(), word) != scope.end();
  });
}

bool exceeds(const Json& token, std::string_view limit, std::int64_t count) {
  const Json* value = token.find(limit);
  return value != nullptr && value->is_integer() && value->as_integer() > 0 && count > value->as_integer();
}

// Steps 3 to 6 on a token whose signature holds; empty where it counts.
std::string_view objection(const Json& token, const ApprovalEntry& entry, const JudgedIntent& judged,
                           const Digest& intent_digest, const Digest& policy_digest, const Decision& decision,
                           UtcTime now) {
  const Intent& intent = judged.intent;
  if (token.text("intent_digest") != intent_digest.hex()) return "approval_token_intent_mismatch";
  if (token.text("policy_digest") != policy_digest.hex()) return "approval_token_policy_mismatch";
  if (const std::optional<Delegation>& delegation = intent.fields().delegation) {
    if (token.text("delegation_binding_digest") != delegation->json().digest().hex()) {
      return "approval_token_delegation_binding_mismatch";
    }
  }
  if (now >= entry.expires_at) return "approval_token_expired";
  if (!covers(entry.scope, decision.required_scopes)) return "approval_token_scope_mismatch";
  const Extent extent = extent_of(intent);
  if (exceeds(token, "max_targets", extent.targets)) return "approval_token_max_targets_exceeded";
  if (exceeds(token, "max_ops", extent.operations)) return "approval_token_max_ops_exceeded";
  return "";
}

bool audit_order(const ApprovalEntry& a, const ApprovalEntry& b) {
  return std::tie(a.token_id, a.approver_identity, a.reason_code, a.expires_at, a.scope) <
         std::tie(b.token_id, b.approver_identity, b.reason_code, b.expires_at, b.scope);
}

// The first of several files with one token id counts; the others are copies.
void mark_copies(std::vector<ApprovalEntry>& entries) {
  std::set<std::string> seen;
  for (ApprovalEntry& entry : entries) {
    if (entry.valid && !seen.insert(entry.token_id).second) {
      entry.valid = false;
      entry.error_code = "approval_token_duplicate";
    }
  }
}

}  // namespace

Json ApprovalEntry::json() const {
  Json out{Json::Object{}};
  if (!token_id.empty()) out.set("token_id", Json(token_id));
  if (!approver_identity.empty()) out.set("approver_identity", Json(approver_identity));
  if (!reason_code.empty()) out.set("reason_code", Json(reason_code));
  if (!scope.empty()) out.set("scope", Json::array(scope));
  out.set("expires_at", Json(expires_at.rfc3339()));
  out.set("valid", Json(valid));
  if (!error_code.empty()) out.set("error_code", Json(error_code));
  return out;
}

ApprovalEntry judge_token(const Json& token, const JudgedIntent& judged, const Digest& intent_digest,
                          const Digest& policy_digest, const Decision& decision, const ApprovalRules& rules,
                          UtcTime now) {
  const auto verified = statement::VerifiedDocument::verify(statement::StatementType::ApprovalToken, token, rules.keys);
  if (!verified) {
    ApprovalEntry entry = entry_of(token);
    entry.error_code = code_of(verified.error(), token);
    return entry;
  }
  const Json& document = verified->document();
  ApprovalEntry entry = entry_of(document);
  entry.error_code = identity_key(entry.approver_identity)
                         ? objection(document, entry, judged, intent_digest, policy_digest, decision, now)
                         : "approval_token_invalid";
  entry.valid = entry.error_code.empty();
  return entry;
}

ApprovalJudgement judge_approvals(const std::vector<Json>& tokens, const JudgedIntent& judged,
                                  const Digest& intent_digest, const Digest& policy_digest, const Decision& decision,
                                  const ApprovalRules& rules, UtcTime now) {
  ApprovalJudgement out;
  if (tokens.empty()) {
    out.reason_codes = {"approval_token_missing"};
    return out;
  }
  for (const Json& token : tokens) {
    out.entries.push_back(judge_token(token, judged, intent_digest, policy_digest, decision, rules, now));
  }
  mark_copies(out.entries);
  std::set<std::string> people;
  std::vector<std::string> ids;
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    const ApprovalEntry& entry = out.entries[i];
    if (!entry.valid) {
      out.reason_codes.push_back(entry.error_code);
      continue;
    }
    ++out.valid;
    ids.push_back(entry.token_id);
    out.redeemable.push_back(tokens[i]);
    if (const Result<std::string> person = identity_key(entry.approver_identity)) people.insert(*person);
  }
  std::sort(out.entries.begin(), out.entries.end(), audit_order);
  const bool enough = out.valid >= decision.required_approvals && out.valid > 0;
  const bool distinct = !decision.distinct_approvers || decision.required_approvals <= 1 ||
                        static_cast<std::int64_t>(people.size()) >= decision.required_approvals;
  if (!enough) out.reason_codes.emplace_back("approval_chain_insufficient");
  if (!distinct) out.reason_codes.emplace_back("approval_distinct_approvers_required");
  out.approved = enough && distinct;
  if (out.approved) {
    std::sort(ids.begin(), ids.end());
    for (const std::string& id : ids) out.approval_ref += (out.approval_ref.empty() ? "" : ",") + id;
    out.reason_codes.emplace_back("approval_granted");
  }
  out.reason_codes = text_set(out.reason_codes, false);
  return out;
}

Decision after_approvals(Decision decision, const ApprovalJudgement& judgement) {
  decision.reason_codes.insert(decision.reason_codes.end(), judgement.reason_codes.begin(),
                               judgement.reason_codes.end());
  if (judgement.approved) {
    decision.verdict = Verdict::Allow;
  } else {
    decision.violations.emplace_back("approval_not_granted");
  }
  decision.reason_codes = text_set(decision.reason_codes, false);
  decision.violations = text_set(decision.violations, false);
  return decision;
}

}  // namespace countersign::gate
