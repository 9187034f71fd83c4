// The records that say what was looked at: audits of approvals and delegations (gait-formats §9.5, §11), evidence of a
// brokered credential (§10), all of which gait leaves unsigned, and the attestation of a state file. We sign them, with
// the time of signing.
#pragma once

#include "signer/statement/trace_fields.h"

namespace countersign::statement {

// Precondition, of all three: `type` is ApprovalAudit, DelegationAudit, CredentialEvidence or StateAttestation.
const Structure& record_structure(StatementType type);
// Strict. gait's members in file order without schema_id, schema_version, producer_version. Fails with Invalid.
Status check_record_fields(StatementType type, const JsonTree& fields);
// Adds observed_at behind created_at, which is the intent's own: a signature needs a time that no caller chose.
StampedDocument stamped_record(StatementType type, const JsonTree& fields, const Stamp& stamp);

}  // namespace countersign::statement
