#include "gate/state/state_attestation.h"

#include <algorithm>

#include "signer/statement/statement.h"

namespace countersign::gate {
namespace {

Error unattested(std::string reason, std::string detail) {
  return Error{ErrorCode::VerificationFailed, std::move(detail), std::move(reason),
               "have the file attested again by somebody who checked it (countersign attest)"};
}

Json without_attestation(const Json& document) {
  Json out = document;
  out.erase(kAttestationMember);
  return out;
}

}  // namespace

Json attestation_fields(const Json& document, UtcTime now) {
  return Json::object({{"created_at", now.rfc3339()},
                       {"subject_schema_id", document.text("schema_id")},
                       {"subject_digest", without_attestation(document).digest().hex()}});
}

Status check_attestation(const Json& document, const Json* attestation, const keymgmt::KeySet& keys,
                         const std::vector<std::string>& kids) {
  const std::string schema(document.text("schema_id"));
  if (attestation == nullptr || !attestation->is_object()) {
    return unattested("state_unattested", "the " + schema + " carries no attestation");
  }
  ASSIGN_OR_RETURN(const statement::VerifiedDocument verified,
                   statement::VerifiedDocument::verify(statement::StatementType::StateAttestation, *attestation, keys));
  const Json& said = verified.document();
  if (said.text("subject_schema_id") != schema ||
      said.text("subject_digest") != without_attestation(document).digest().hex()) {
    return unattested("state_changed", "the " + schema + " is not the one that was attested");
  }
  const std::string& kid = verified.key().key.kid();
  const auto names = [&kids](std::string_view name) { return std::find(kids.begin(), kids.end(), name) != kids.end(); };
  if (names(kid) || names(kAnyAttester)) return ok();
  return unattested("state_key_refused", "the " + schema + " is attested by the key " + kid + ", which is not named");
}

}  // namespace countersign::gate
