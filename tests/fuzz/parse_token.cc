// Whatever is presented as an approval or a delegation: what verifies under a published key says what its id was made
// of, one token is never two approvals, and nothing counts that does not verify. The keys are the test-only ones of
// gait's recordings, so that the corpus gets behind the signature: tests/vectors/gait_commands.json has its recorded
// tokens; those named signed_* are for the intent and policy below.
#include <algorithm>
#include <cstdlib>
#include <string>

#include "common/joined.h"
#include "gate/document/optional_members.h"
#include "gate/evidence/approval.h"
#include "gate/evidence/delegation.h"
#include "signer/statement/statement.h"

namespace {

using namespace countersign;
using statement::StatementType;
using statement::VerifiedDocument;

constexpr const char* kKeys[] = {"ahiVOCtWj1SuB8RFWAiAwP3dnGGXfkcAOfw8/+wCqV0=",
                                 "bXwgP33pwMpajHRC25E2JnLQYxvpXZHHqKxZnzmFFAk="};

void require(bool holds) {
  if (!holds) std::abort();
}

keymgmt::KeySet recorded_keys() {
  std::vector<keymgmt::PublishedKey> keys;
  for (const char* text : kKeys) {
    keys.push_back({*keymgmt::PublicKey::from_gait(text),
                    keymgmt::Role::Approval,
                    keymgmt::KeyState::Active,
                    "",
                    "",
                    {},
                    {},
                    std::nullopt,
                    std::nullopt});
  }
  return keymgmt::KeySet(1, UtcTime(), std::move(keys));
}

// gait-formats §9.1.
std::string approval_token_id(const Json& token) {
  const auto number = [&token](std::string_view name) {
    const Json* member = token.find(name);
    return std::to_string(member == nullptr ? 0 : member->as_integer());
  };
  std::string text;
  for (const std::string_view name : {"intent_digest", "policy_digest", "approver_identity", "reason_code"}) {
    text += std::string(token.text(name)) + ":";
  }
  text += joined(gate::texts_of(token.find("scope")), ",") + ":" + number("max_targets") + ":" + number("max_ops") +
          ":" + std::string(token.text("expires_at"));
  return sha256(text).hex().substr(0, 24);
}

void judge_as_approval(const Json& token, const gate::JudgedIntent& judged, const keymgmt::KeySet& keys, UtcTime now) {
  const auto verified = VerifiedDocument::verify(StatementType::ApprovalToken, token, keys);
  if (verified) require(verified->document().text("token_id") == approval_token_id(verified->document()));
  gate::Decision decision;
  decision.verdict = gate::Verdict::RequireApproval;
  decision.required_approvals = 2;
  decision.required_scopes = {"tool:t"};
  const Digest intent_digest = *Digest::parse("abababababababababababababababababababababababababababababababab");
  const Digest policy_digest = *Digest::parse("cdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcd");
  const auto said = gate::judge_approvals({token, token}, judged, intent_digest, policy_digest, decision,
                                          gate::ApprovalRules{keys}, now);
  require(!said.approved && said.valid <= 1 && said.entries.size() == 2);
  for (const gate::ApprovalEntry& entry : said.entries) {
    require(entry.valid == entry.error_code.empty());
    if (entry.valid) {
      require(bool(verified) && now < entry.expires_at);
      require(std::find(entry.scope.begin(), entry.scope.end(), "tool:t") != entry.scope.end());
    }
    (void)entry.json().gait_file();
  }
  static const keymgmt::KeySet kNobody;
  require(gate::judge_approvals({token}, judged, intent_digest, policy_digest, decision, {kNobody}, now).valid == 0);
}

// The chain of the recorded delegations.
const gate::Intent& delegated_intent() {
  static const gate::Intent kIntent = *gate::Intent::parse(std::string_view(
      R"({"tool_name":"t","args":{},"context":{"identity":"agent-1","workspace":"/w","risk_class":"low"},
          "delegation":{"requester_identity":"agent-1","scope_class":"write","chain":[
            {"delegator_identity":"lead","delegate_identity":"mid","scope_class":"write"},
            {"delegator_identity":"mid","delegate_identity":"agent-1","scope_class":"write"}]}})"));
  return kIntent;
}

void judge_as_delegation(const Json& token, const keymgmt::KeySet& keys, UtcTime now) {
  const auto verified = VerifiedDocument::verify(StatementType::DelegationToken, token, keys);
  if (verified) require(verified->document().text("token_id") == gate::delegation_token_id(verified->document()));
  const Digest digest = delegated_intent().intent_digest();
  const auto said = gate::judge_delegations({token}, delegated_intent(), digest, digest, {keys}, now);
  require(!said.complete && said.valid <= (verified ? 1 : 0));  // two links need two tokens
  for (const gate::DelegationEntry& entry : said.entries) {
    require(entry.valid == entry.error_code.empty() && (!entry.valid || now < entry.expires_at));
    (void)entry.json().gait_file();
  }
  if (token.is_object()) (void)gate::delegation_token_id(token);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto token =
      Json::parse(std::string_view(reinterpret_cast<const char*>(data), size), Json::Limits{.gait = true});
  if (!token) return 0;
  static const gate::JudgedIntent kJudged{
      *gate::Intent::parse(std::string_view(
          R"({"tool_name":"t","args":{},"context":{"identity":"a","workspace":"/w","risk_class":"low"}})")),
      {}};
  static const keymgmt::KeySet kKeySet = recorded_keys();
  const UtcTime now = UtcTime::from_unix(1'800'000'000);
  judge_as_approval(*token, kJudged, kKeySet, now);
  judge_as_delegation(*token, kKeySet, now);
  return 0;
}
