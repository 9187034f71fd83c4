// The approval audit: gait's record (gait-formats §9.5), which we sign, with the time of signing.
#pragma once

#include "signer/statement/trace_fields.h"

namespace countersign::statement {

const Structure& approval_audit_structure();
// Strict. gait-formats §9.5 in file order without schema_id, schema_version, producer_version. Fails with Invalid.
Status check_approval_audit_fields(const JsonTree& fields);
// Adds observed_at behind created_at, which is the intent's own: a signature needs a time that no caller chose.
StampedDocument stamped_audit(const JsonTree& fields, const Stamp& stamp);

}  // namespace countersign::statement
