// Whatever is presented as an approval or a delegation counts for nothing where no key is published.
#include <cstdlib>

#include "gate/approval.h"
#include "gate/delegation.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace countersign;
  const auto token =
      Json::parse(std::string_view(reinterpret_cast<const char*>(data), size), Json::Limits{.gait = true});
  if (!token) return 0;
  static const gate::JudgedIntent kJudged{
      *gate::Intent::parse(std::string_view(
          R"({"tool_name":"t","args":{},"context":{"identity":"a","workspace":"/w","risk_class":"low"}})")),
      {}};
  static const keymgmt::KeySet kNobody;
  const Digest digest = kJudged.intent.intent_digest();
  const UtcTime now = UtcTime::from_unix(1'800'000'000);
  gate::Decision decision;
  decision.verdict = gate::Verdict::RequireApproval;
  decision.required_approvals = 1;
  const auto approvals =
      gate::judge_approvals({*token, *token}, kJudged, digest, digest, decision, gate::ApprovalRules{kNobody}, now);
  if (approvals.approved || approvals.valid != 0 || approvals.entries.size() != 2) std::abort();
  for (const gate::ApprovalEntry& entry : approvals.entries) {
    if (entry.error_code.empty()) std::abort();
    (void)entry.json().gait_file();
  }
  const auto delegations = gate::judge_delegations({*token}, kJudged.intent, digest, digest, {kNobody}, now);
  if (delegations.complete || delegations.valid != 0) std::abort();
  if (token->is_object()) (void)gate::delegation_token_id(*token);
  return 0;
}
