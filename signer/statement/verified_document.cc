#include "signer/statement/approval_token_fields.h"
#include "signer/statement/approved_script_fields.h"
#include "signer/statement/delegation_token_fields.h"
#include "signer/statement/envelope.h"
#include "signer/statement/evidence_pack_fields.h"
#include "signer/statement/record_fields.h"
#include "signer/statement/say_token_fields.h"
#include "signer/statement/statement.h"
#include "signer/statement/trace_fields.h"

namespace countersign::statement {
namespace {

Error unverified(std::string_view reason, std::string detail) {
  return Error{ErrorCode::VerificationFailed, std::move(detail), std::string(reason)};
}

// How a type is read back. Tokens have a normal form of gait, under which they were signed, and an absent schema id is
// filled in.
struct ReadingRow {
  const Structure& structure;
  std::string_view time_member;
  Status (*normalise)(Json&) = nullptr;
};

ReadingRow reading_of(StatementType type) {
  switch (type) {
    case StatementType::ApprovalToken:
      return {approval_token_structure(), "created_at", normalise_approval_token};
    case StatementType::DelegationToken:
      return {delegation_token_structure(), "created_at", normalise_delegation_token};
    case StatementType::ApprovedScript:
      return {approved_script_structure(), "created_at", normalise_approved_script};
    case StatementType::SayToken:
      return {say_token_structure(), "created_at", normalise_say_token};
    case StatementType::Trace:
      return {trace_structure(), "observed_at"};
    case StatementType::EvidencePack:
      return {evidence_pack_structure(), "generated_at"};
    case StatementType::ApprovalAudit:
    case StatementType::DelegationAudit:
    case StatementType::CredentialEvidence:
    case StatementType::StateAttestation:
      return {record_structure(type), "observed_at"};
    case StatementType::TufTimestamp:
    case StatementType::TufSnapshot:
    case StatementType::TufRevoked:
    case StatementType::LogCheckpoint:
    case StatementType::Release:
      break;  // read_document refuses them
  }
  __builtin_unreachable();
}

struct ReadDocument {
  Json known;      // without its signature
  Json signature;  // null where there is none
};

// A pack may carry several signatures, of which one verifies: the first whose key we know counts.
Json envelope_of(Json&& signatures, const keymgmt::KeySet* keys) {
  for (Json& envelope : signatures.as_array()) {
    if (keys == nullptr || keys->find(envelope.text("key_id")) != nullptr) return std::move(envelope);
  }
  return signatures.as_array().empty() ? Json() : std::move(signatures.as_array().front());
}

Result<ReadDocument> read_document(StatementType type, const Json& document, const keymgmt::KeySet* keys) {
  ReadDocument out;
  if (row_of(type).format != Format::Gait) {
    return Error{ErrorCode::Invalid, std::string(row_of(type).name) + " has verifiers of its own", "not_verified_here",
                 "`countersign keys sync` or any TUF client verifies metadata; a log client verifies checkpoints."};
  }
  const ReadingRow reading = reading_of(type);
  ASSIGN_OR_RETURN(out.known, read(reading.structure, document, Reading::Gait, row_of(type).name));
  Json::Object& members = out.known.as_object();
  if (!members.empty() && members.back().first == "signature") {
    out.signature = std::move(members.back().second);
    members.pop_back();
  } else if (!members.empty() && members.back().first == "signatures") {
    out.signature = envelope_of(std::move(members.back().second), keys);
    members.pop_back();
  }
  const std::string_view schema = row_of(type).schema_id;
  if (reading.normalise != nullptr && out.known.text("schema_id").empty()) out.known.set("schema_id", schema);
  if (out.known.text("schema_id") != schema) {
    return Error{ErrorCode::Invalid, "schema_id: must be " + std::string(schema)};
  }
  if (reading.normalise != nullptr) RETURN_IF_ERROR(reading.normalise(out.known));
  return out;
}

// The ids of the facts in relationship.related_entity_ids: none, or exactly the one of `facts`.
Status facts_are_bound(const Json& known, const Json* facts) {
  std::string_view bound;
  std::size_t count = 0;
  if (const Json* relationship = known.find("relationship")) {
    if (const Json* ids = relationship->find("related_entity_ids")) {
      for (const Json& id : ids->as_array()) {
        if (!id.as_string().starts_with(kCountersignPrefix)) continue;
        bound = std::string_view(id.as_string()).substr(kCountersignPrefix.size());
        ++count;
      }
    }
  }
  if (facts == nullptr && count == 0) return ok();
  if (facts != nullptr && count == 1 && facts->is_object() && facts->digest().hex() == bound) return ok();
  return unverified("countersign_mismatch", "the member countersign is not the one that was signed");
}

}  // namespace

Result<Digest> gait_signed_digest(StatementType type, const Json& document) {
  ASSIGN_OR_RETURN(const ReadDocument read, read_document(type, document, nullptr));
  return read.known.digest();
}

Result<VerifiedDocument> VerifiedDocument::verify(StatementType type, const Json& document,
                                                  const keymgmt::KeySet& keys) {
  ASSIGN_OR_RETURN(ReadDocument read, read_document(type, document, &keys));
  const std::string_view claimed = read.signature.text("signed_digest");
  if (read.signature.is_null() || claimed.empty()) {
    return unverified("signature_missing", "the document carries no signature");
  }
  const Digest digest = read.known.digest();
  if (claimed != digest.hex()) {
    return unverified("signed_digest_mismatch", "the document was changed after it was signed");
  }
  // An envelope without key_id, which gait accepts, names no key.
  const std::string_view key_id = read.signature.text("key_id");
  const keymgmt::PublishedKey* key = keys.find(key_id);
  if (key == nullptr || key->key.gait_key_id() != key_id) {
    return unverified("unknown_key", "the document is signed by a key that is not published");
  }
  RETURN_IF_ERROR(verify_envelope(read.signature, key->key, digest));
  if (key->role != row_of(type).role) {
    return unverified("wrong_role", "the document is signed by a key of the role " + std::string(name_of(key->role)));
  }
  ASSIGN_OR_RETURN(const UtcTime signed_at, UtcTime::parse(read.known.text(reading_of(type).time_member)));
  if (!key->counts_at(signed_at)) {
    return unverified("key_not_valid_then", "the key does not count for a signature made at " + signed_at.rfc3339());
  }
  if (type == StatementType::Trace) {
    const Json* facts = document.find("countersign");
    RETURN_IF_ERROR(facts_are_bound(read.known, facts));
    if (facts != nullptr) read.known.as_object().emplace_back("countersign", *facts);
  }
  if (type == StatementType::EvidencePack) {
    read.known.as_object().emplace_back("signatures", Json::Array{std::move(read.signature)});
  } else {
    read.known.as_object().emplace_back("signature", std::move(read.signature));
  }
  return VerifiedDocument(std::move(read.known), *key, digest, signed_at);
}

}  // namespace countersign::statement
