#include "packs/pack_documents.h"

#include "signer/statement/record_fields.h"

namespace countersign::packs {
namespace {

using statement::Field;
using statement::Structure;
using enum Field::Kind;
using enum Field::Presence;

// gait-formats §10.
const Structure& credential_structure() {
  static const Field fields[] = {{"schema_id", Text, Written},
                                 {"schema_version", Text, Written},
                                 {"created_at", Time, Written},
                                 {"observed_at", Time},
                                 {"producer_version", Text, Written},
                                 {"trace_id", Text, Written},
                                 {"tool_name", Text, Written},
                                 {"identity", Text, Written},
                                 {"broker", Text, Written},
                                 {"reference", Text},
                                 {"credential_source", Text},
                                 {"credential_access_type", Text},
                                 {"credential_issuer", Text},
                                 {"credential_subject", Text},
                                 {"credential_owner", Text},
                                 {"scope", Texts},
                                 {"credential_ref", Text, Written},
                                 {"target_binding", Text},
                                 {"run_binding", Text},
                                 {"job_binding", Text},
                                 {"request_digest", Text},
                                 {"issued_at", Time, Written},
                                 {"expires_at", Time, Written},
                                 {"ttl_seconds", Integer},
                                 {"signature", Object, Optional, &statement::signature_structure()}};
  static const Structure structure{fields};
  return structure;
}

Result<Json> record(const Structure& structure, const Json& document, std::string_view schema, std::string_view what) {
  ASSIGN_OR_RETURN(Json out, statement::read(structure, document, statement::Reading::Gait, what));
  if (out.text("schema_id") != schema) {
    return Error{ErrorCode::Invalid, "the " + std::string(what) + " is no " + std::string(schema)};
  }
  // A time that was not given is written as zero by the reader; only ours have one.
  if (document.find("observed_at") == nullptr) out.erase("observed_at");
  return out;
}

}  // namespace

Result<Json> approval_audit_record(const Json& document) {
  return record(statement::record_structure(statement::StatementType::ApprovalAudit), document,
                "gait.gate.approval_audit_record", "approval audit");
}

Result<Json> credential_evidence_record(const Json& document) {
  return record(credential_structure(), document, "gait.gate.broker_credential_record", "credential evidence");
}

}  // namespace countersign::packs
