#include "command/approval/approval_mint.h"

#include <chrono>

#include "command/approval/token_proof.h"
#include "signer/statement/approval_proof.h"

namespace countersign::command {
namespace {

using statement::ApprovalTokenFields;

Json statement_of(const ApprovalTokenFields& fields) {
  Json json = Json::object({{"intent_digest", fields.intent_digest.hex()},
                            {"policy_digest", fields.policy_digest.hex()},
                            {"approver_identity", fields.approver_identity},
                            {"reason_code", fields.reason_code},
                            {"scope", Json::array(fields.scope)},
                            {"ttl_seconds", std::chrono::duration_cast<std::chrono::seconds>(fields.ttl).count()}});
  if (fields.delegation_binding_digest) json.set("delegation_binding_digest", fields.delegation_binding_digest->hex());
  if (fields.max_targets > 0) json.set("max_targets", fields.max_targets);
  if (fields.max_ops > 0) json.set("max_ops", fields.max_ops);
  return json;
}

}  // namespace

Result<Json> mint_approval(const Arguments& arguments, client::SignerClient& signer,
                           const ApprovalTokenFields& fields) {
  client::SignRequest request;
  request.type = statement::StatementType::ApprovalToken;
  request.fields = statement_of(fields);
  ASSIGN_OR_RETURN(request.proof, proof_of(arguments, signer, statement::kApprovalNamespace,
                                           [&fields](std::string_view nonce, UtcTime expires_at) {
                                             return statement::approval_message(fields, nonce, expires_at);
                                           }));
  ASSIGN_OR_RETURN(auto signed_or_refused, signer.sign(request));
  if (const auto* refusal = std::get_if<client::Refusal>(&signed_or_refused)) return refusal->error;
  return std::get<client::Signed>(std::move(signed_or_refused)).statement;
}

}  // namespace countersign::command
