// The records that go into a pack, read as gait reads them: known members in one spelling, everything else left out.
#pragma once

#include "common/json.h"
#include "common/result.h"

namespace countersign::packs {

// With observed_at and signature where the record has them: those are ours, and make it verifiable inside the pack.
Result<Json> approval_audit_record(const Json& document);
Result<Json> credential_evidence_record(const Json& document);

}  // namespace countersign::packs
