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

Status check_approval_audit_fields(const JsonTree& fields) {
  RETURN_IF_ERROR(read(approval_audit_structure(), fields, fields.root(), Reading::Strict, ""));
  for (const std::string_view name : {"required_approvals", "valid_approvals"}) {
    if (fields.root().find(name)->integer < 0) {
      return Error{ErrorCode::Invalid, std::string(name) + ": must not be negative"};
    }
  }
  return ok();
}

StampedDocument stamped_audit(const JsonTree& fields, const Stamp& stamp) {
  JsonNode& document = begun_document(fields, StatementType::ApprovalAudit, fields.keep(stamp.now.rfc3339()));
  const JsonNode& given = fields.copy(fields.root());
  for (JsonNode* member = given.first->next; member != nullptr;) document.append(*std::exchange(member, member->next));
  return {fields.at(document), document.digest()};
}

}  // namespace countersign::statement
