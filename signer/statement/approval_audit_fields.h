// The approval audit: gait's record (gait-formats §9.5), which we sign, with the time of signing.
#pragma once

#include "signer/statement/trace_fields.h"

namespace countersign::statement {

const Structure& approval_audit_structure();
Result<ApprovalAuditFields> read_approval_audit_fields(Json&& fields);  // strict; fails with Invalid
StampedDocument stamped(const ApprovalAuditFields& audit, const Stamp& stamp);

}  // namespace countersign::statement
