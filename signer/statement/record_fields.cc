#include "signer/statement/record_fields.h"

#include <algorithm>
#include <utility>

namespace countersign::statement {
namespace {

using enum Field::Kind;
using enum Field::Presence;

// How each record begins and ends. observed_at is ours: gait's created_at is the intent's own, and a signature needs a
// time nobody else chose.
constexpr Field kSchemaId{"schema_id", Text, Stamped};
constexpr Field kVersion{"schema_version", Text, Stamped};
constexpr Field kCreatedAt{"created_at", Time, Required};
constexpr Field kObservedAt{"observed_at", Time, Stamped};
constexpr Field kProducer{"producer_version", Text, Stamped};

Field signature_field() {
  return {"signature", Object, Sealed, &signature_structure()};
}

Field relationship_field() {
  return {"relationship", Object, Optional, &relationship_structure()};
}

constexpr Field kApprovalEntry[] = {{"token_id", Text},  {"approver_identity", Text},   {"reason_code", Text},
                                    {"scope", Texts},    {"expires_at", Time, Written}, {"valid", Flag, Required},
                                    {"error_code", Text}};
constexpr Structure kApprovalEntryShape{kApprovalEntry};

constexpr Field kDelegationEntry[] = {{"token_id", Text},  {"delegator_identity", Text},  {"delegate_identity", Text},
                                      {"scope", Texts},    {"expires_at", Time, Written}, {"valid", Flag, Required},
                                      {"error_code", Text}};
constexpr Structure kDelegationEntryShape{kDelegationEntry};

const Structure& approval_audit_structure() {
  static const Field fields[] = {kSchemaId,
                                 kVersion,
                                 kCreatedAt,
                                 kObservedAt,
                                 kProducer,
                                 {"trace_id", Text, Required},
                                 {"tool_name", Text, Required},
                                 {"intent_digest", HexDigest, Required},
                                 {"policy_digest", HexDigest, Required},
                                 {"required_approvals", Integer, Required},
                                 {"valid_approvals", Integer, Required},
                                 {"approved", Flag, Required},
                                 {"approvers", Texts},
                                 relationship_field(),
                                 {"entries", Objects, Required, &kApprovalEntryShape, true},
                                 signature_field()};
  static const Structure structure{fields};
  return structure;
}

const Structure& delegation_audit_structure() {
  static const Field fields[] = {kSchemaId,
                                 kVersion,
                                 kCreatedAt,
                                 kObservedAt,
                                 kProducer,
                                 {"trace_id", Text, Required},
                                 {"tool_name", Text, Required},
                                 {"intent_digest", HexDigest, Required},
                                 {"policy_digest", HexDigest, Required},
                                 {"delegation_required", Flag, Required},
                                 {"valid_delegations", Integer, Required},
                                 {"delegated", Flag, Required},
                                 {"delegation_ref", Text},
                                 relationship_field(),
                                 {"entries", Objects, Required, &kDelegationEntryShape, true},
                                 signature_field()};
  static const Structure structure{fields};
  return structure;
}

const Structure& credential_evidence_structure() {
  static const Field fields[] = {kSchemaId,
                                 kVersion,
                                 kCreatedAt,
                                 kObservedAt,
                                 kProducer,
                                 {"trace_id", Text, Required},
                                 {"tool_name", Text, Required},
                                 {"identity", Text, Required},
                                 {"broker", Text, Required},
                                 {"reference", Text},
                                 {"credential_source", Text},
                                 {"credential_access_type", Text},
                                 {"credential_issuer", Text},
                                 {"credential_subject", Text},
                                 {"credential_owner", Text},
                                 {"scope", Texts},
                                 {"credential_ref", Text, Required},
                                 {"target_binding", Text},
                                 {"run_binding", Text},
                                 {"job_binding", Text},
                                 {"request_digest", HexDigest},
                                 {"issued_at", Time, Written},
                                 {"expires_at", Time, Written},
                                 {"ttl_seconds", Integer},
                                 signature_field()};
  static const Structure structure{fields};
  return structure;
}

// Of a file that gait leaves unsigned: which kind it is of, and the RFC 8785 digest of it without the attestation.
const Structure& state_attestation_structure() {
  static const Field fields[] = {kSchemaId,
                                 kVersion,
                                 kCreatedAt,
                                 kObservedAt,
                                 kProducer,
                                 {"subject_schema_id", Text, Required},
                                 {"subject_digest", HexDigest, Required},
                                 signature_field()};
  static const Structure structure{fields};
  return structure;
}

// What an attestation may be of: a closed set, so that it never vouches for another format's document.
constexpr std::string_view kAttestable[] = {"gait.context.envelope", "gait.gate.kill_switch_state",
                                            "gait.gate.rate_limit_state", "countersign.vetting.verdict"};

constexpr std::string_view kCounts[] = {"required_approvals", "valid_approvals", "valid_delegations", "ttl_seconds"};

}  // namespace

const Structure& record_structure(StatementType type) {
  switch (type) {
    case StatementType::ApprovalAudit:
      return approval_audit_structure();
    case StatementType::DelegationAudit:
      return delegation_audit_structure();
    case StatementType::CredentialEvidence:
      return credential_evidence_structure();
    case StatementType::StateAttestation:
      return state_attestation_structure();
    case StatementType::ApprovalToken:
    case StatementType::DelegationToken:
    case StatementType::ApprovedScript:
    case StatementType::Trace:
    case StatementType::EvidencePack:
    case StatementType::TufTimestamp:
    case StatementType::TufSnapshot:
    case StatementType::TufRevoked:
    case StatementType::LogCheckpoint:
    case StatementType::Release:
    case StatementType::SayToken:
      break;
  }
  __builtin_unreachable();
}

Status check_record_fields(StatementType type, const JsonTree& fields) {
  RETURN_IF_ERROR(read(record_structure(type), fields, fields.root(), Reading::Strict, ""));
  for (const std::string_view name : kCounts) {
    const JsonNode* count = fields.root().find(name);
    if (count != nullptr && count->integer < 0) {
      return Error{ErrorCode::Invalid, std::string(name) + ": must not be negative"};
    }
  }
  if (type != StatementType::StateAttestation) return ok();
  const std::string_view subject = fields.root().text_of("subject_schema_id");
  if (std::find(std::begin(kAttestable), std::end(kAttestable), subject) != std::end(kAttestable)) return ok();
  return Error{ErrorCode::Invalid, "subject_schema_id: names nothing that is attested"};
}

StampedDocument stamped_record(StatementType type, const JsonTree& fields, const Stamp& stamp) {
  JsonNode& document = begun_document(fields, type, fields.keep(stamp.now.rfc3339()));
  const JsonNode& given = fields.copy(fields.root());
  for (JsonNode* member = given.first->next; member != nullptr;) document.append(*std::exchange(member, member->next));
  return {fields.at(document), document.digest()};
}

}  // namespace countersign::statement
