#include "signer/statement/approval_proof.h"

#include "signer/statement/structure.h"

namespace countersign::statement {
namespace {

using enum Field::Kind;
using enum Field::Presence;

constexpr Field kProof[] = {{"kind", Text, Required}, {"signature", Text}, {"nonce", Text}, {"expires_at", Time}};
constexpr Structure kProofShape{kProof};

Error invalid(std::string detail) {
  return Error{ErrorCode::Invalid, std::move(detail)};
}

}  // namespace

std::string approval_message(const ApprovalTokenFields& fields, std::string_view nonce, UtcTime expires_at) {
  Json out = Json::object({{"approver_identity", fields.approver_identity},
                           {"expires_at", expires_at.rfc3339()},
                           {"intent_digest", fields.intent_digest.hex()},
                           {"nonce", nonce},
                           {"policy_digest", fields.policy_digest.hex()},
                           {"reason_code", fields.reason_code},
                           {"scope", Json::array(fields.scope)},
                           {"ttl_seconds", std::chrono::duration_cast<std::chrono::seconds>(fields.ttl).count()}});
  if (fields.delegation_binding_digest) {
    out.set("delegation_binding_digest", fields.delegation_binding_digest->hex());
  }
  if (fields.max_ops > 0) out.set("max_ops", fields.max_ops);
  if (fields.max_targets > 0) out.set("max_targets", fields.max_targets);
  return out.canonical();
}

std::string delegation_message(const DelegationTokenFields& fields, std::string_view nonce, UtcTime expires_at) {
  Json out = Json::object({{"delegate_identity", fields.delegate_identity},
                           {"delegator_identity", fields.delegator_identity},
                           {"expires_at", expires_at.rfc3339()},
                           {"nonce", nonce},
                           {"scope", Json::array(fields.scope)},
                           {"ttl_seconds", std::chrono::duration_cast<std::chrono::seconds>(fields.ttl).count()}});
  if (!fields.scope_class.empty()) out.set("scope_class", fields.scope_class);
  if (fields.intent_digest) out.set("intent_digest", fields.intent_digest->hex());
  if (fields.policy_digest) out.set("policy_digest", fields.policy_digest->hex());
  return out.canonical();
}

std::string approved_script_message(const ApprovedScriptFields& fields, std::string_view nonce, UtcTime expires_at) {
  Json out = Json::object({{"approver_identity", fields.approver_identity},
                           {"expires_at", expires_at.rfc3339()},
                           {"nonce", nonce},
                           {"pattern_id", fields.pattern_id},
                           {"policy_digest", fields.policy_digest.hex()},
                           {"script_hash", fields.script_hash.hex()},
                           {"tool_sequence", Json::array(fields.tool_sequence)},
                           {"ttl_seconds", std::chrono::duration_cast<std::chrono::seconds>(fields.ttl).count()}});
  if (!fields.scope.empty()) out.set("scope", Json::array(fields.scope));
  return out.canonical();
}

Result<ApprovalProof> ApprovalProof::parse(const Json& json) {
  const JsonTree proof(json);
  const JsonNode& given = proof.root();
  RETURN_IF_ERROR(read(kProofShape, proof, proof.root(), Reading::Strict, "proof"));
  ApprovalProof out;
  const std::string_view kind = given.text_of("kind");
  if (kind == "unix_user") {
    if (given.count != 1) return invalid("proof: a unix_user proof has no other member");
    out.kind = Kind::UnixUser;
    return out;
  }
  if (kind != "ssh") return invalid("proof.kind: must be \"ssh\" or \"unix_user\"");
  for (const std::string_view name : {"signature", "nonce", "expires_at"}) {
    if (given.text_of(name).empty()) return invalid("proof." + std::string(name) + ": is missing");
  }
  out.kind = Kind::Ssh;
  out.signature = given.text_of("signature");
  out.nonce = given.text_of("nonce");
  ASSIGN_OR_RETURN(out.expires_at, UtcTime::parse(given.text_of("expires_at")));
  return out;
}

}  // namespace countersign::statement
