#include "signer/holder/sign_desk.h"

namespace countersign::holder {
namespace {

constexpr std::size_t kTokenIdBytes = 12;

Error refused(std::string_view reason, std::string detail) {
  return Error{ErrorCode::Refused, std::move(detail), std::string(reason)};
}

// Of the bytes that the document carries: r||s of the token becomes DER there. Of the several signatures of a release:
// of all as the token made them, one after another.
Result<Digest> signature_digest(const keymgmt::PublicKey& key, const Bytes& signature) {
  constexpr std::size_t kOne = 64;
  if (key.algorithm() == keymgmt::Algorithm::Ed25519 || signature.size() != kOne) return sha256(signature);
  ASSIGN_OR_RETURN(const Bytes der, keymgmt::ecdsa_der(signature));
  return sha256(der);
}

}  // namespace

Result<SignDesk::Draft> SignDesk::draft(const channel::SignJobView& job) const {
  const statement::StatementRow& row = statement::row_of(job.type);
  if (row.role != settings_.role) {
    return refused("wrong_role", std::string(row.name) + " is signed by role " + std::string(name_of(row.role)) +
                                     ", not by " + std::string(name_of(settings_.role)));
  }
  const HeldPair* held = keys_.with_kid(job.kid);
  if (held == nullptr) return refused("kid_not_held", "this holder has no key of that kid");
  const keymgmt::PublicKey& key = held->described.key;
  if (key.algorithm() == keymgmt::Algorithm::P256 && !row.p256) {
    return refused("wrong_algorithm", std::string(row.name) + " is not signed by P-256 keys");
  }
  ASSIGN_OR_RETURN(JsonTree fields, JsonTree::parse(job.statement_json));
  ASSIGN_OR_RETURN(const statement::Statement statement, statement::Statement::parse(job.type, std::move(fields)));

  statement::Stamp stamp{clock_.now(), job.sequence, {}, key.algorithm()};
  const bool is_token = statement.approval_token() != nullptr || statement.delegation_token() != nullptr ||
                        statement.say_token() != nullptr;
  if (const auto* approval = statement.approval_token()) {
    RETURN_IF_ERROR(approvals_.check(*approval, job.proof_json, job.peer_uid, stamp.now));
  }
  if (const auto* delegation = statement.delegation_token()) {
    RETURN_IF_ERROR(approvals_.check(*delegation, job.proof_json, job.peer_uid, stamp.now));
  }
  if (const auto* script = statement.approved_script()) {
    RETURN_IF_ERROR(approvals_.check(*script, job.proof_json, job.peer_uid, stamp.now));
  }
  if (statement.lifetime() > settings_.set_lifetime) {
    return refused("lifetime_too_long",
                   std::string(row.name) + " may be believed for at most " + duration_text(settings_.set_lifetime));
  }
  if (is_token) {
    stamp.token_id = to_hex(random_bytes(kTokenIdBytes));
  }
  ASSIGN_OR_RETURN(statement::UnsignedDocument document, statement.rebuild(stamp));
  return Draft{held, stamp.now, std::move(document)};
}

Result<Bytes> SignDesk::sign(const Draft& draft) {
  ASSIGN_OR_RETURN(Bytes signatures, draft.pair->pair.sign(draft.document.message()));
  while (const std::optional<Bytes> further = draft.document.further_message(signatures)) {
    ASSIGN_OR_RETURN(const Bytes next, draft.pair->pair.sign(*further));
    signatures.insert(signatures.end(), next.begin(), next.end());
  }
  return signatures;
}

Result<SignDesk::Sealed> SignDesk::finish(const channel::SignJobView& job, Draft draft, const Bytes& signature,
                                          std::string_view payload) {
  const keymgmt::PublicKey& key = draft.pair->described.key;
  const Digest signed_digest = draft.document.signed_digest();
  ASSIGN_OR_RETURN(const Digest of_signature, signature_digest(key, signature));
  ASSIGN_OR_RETURN(JsonTree document, std::move(draft.document).seal(key, signature));
  const bool is_proven = job.type == statement::StatementType::ApprovalToken ||
                         job.type == statement::StatementType::DelegationToken ||
                         job.type == statement::StatementType::ApprovedScript;
  if (is_proven) approvals_.use(job.proof_json, draft.now);
  return Sealed{{sha256(payload), key.kid(), signed_digest, of_signature, draft.now}, std::move(document)};
}

}  // namespace countersign::holder
