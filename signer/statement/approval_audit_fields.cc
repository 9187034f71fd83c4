#include "signer/statement/approval_audit_fields.h"

namespace countersign::statement {
namespace {

using enum Field::Kind;
using enum Field::Presence;

constexpr Field kEntry[] = {{"token_id", Text},  {"approver_identity", Text},   {"reason_code", Text},
                            {"scope", Texts},    {"expires_at", Time, Written}, {"valid", Flag, Required},
                            {"error_code", Text}};
constexpr Structure kEntryShape{kEntry};

}  // namespace

const Structure& approval_audit_structure() {
  // observed_at is ours: gait's created_at is the intent's own, and a signature needs a time nobody else chose.
  static const Field fields[] = {{"schema_id", Text, Stamped},
                                 {"schema_version", Text, Stamped},
                                 {"created_at", Time, Required},
                                 {"observed_at", Time, Stamped},
                                 {"producer_version", Text, Stamped},
                                 {"trace_id", Text, Required},
                                 {"tool_name", Text, Required},
                                 {"intent_digest", HexDigest, Required},
                                 {"policy_digest", HexDigest, Required},
                                 {"required_approvals", Integer, Required},
                                 {"valid_approvals", Integer, Required},
                                 {"approved", Flag, Required},
                                 {"approvers", Texts},
                                 {"relationship", Object, Optional, &relationship_structure()},
                                 {"entries", Objects, Required, &kEntryShape, true},
                                 {"signature", Object, Sealed, &signature_structure()}};
  static const Structure structure{fields};
  return structure;
}

Result<ApprovalAuditFields> read_approval_audit_fields(Json&& fields) {
  ApprovalAuditFields out;
  ASSIGN_OR_RETURN(out.fields, read(approval_audit_structure(), std::move(fields), Reading::Strict, ""));
  for (const std::string_view name : {"required_approvals", "valid_approvals"}) {
    if (out.fields.find(name)->as_integer() < 0) {
      return Error{ErrorCode::Invalid, std::string(name) + ": must not be negative"};
    }
  }
  return out;
}

StampedDocument stamped(const ApprovalAuditFields& audit, const Stamp& stamp) {
  const Json::Object& given = audit.fields.as_object();
  Json::Object out;
  out.reserve(given.size() + 5);
  out.emplace_back("schema_id", row_of(StatementType::ApprovalAudit).schema_id);
  out.emplace_back("schema_version", kSchemaVersion);
  out.push_back(given.front());  // created_at
  out.emplace_back("observed_at", stamp.now.rfc3339());
  out.emplace_back("producer_version", COUNTERSIGN_VERSION);
  out.insert(out.end(), given.begin() + 1, given.end());
  Json document(std::move(out));
  const Digest digest = document.digest();
  return {std::move(document), digest};
}

}  // namespace countersign::statement
