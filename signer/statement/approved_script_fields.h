// The entry of a registry that approves one script under one policy ahead of time (gait-formats §12).
#pragma once

#include "signer/statement/trace_fields.h"

namespace countersign::statement {

const Structure& approved_script_structure();

// Strict. Fails with Invalid; with Refused for a wildcard ("scope_wildcard").
Result<ApprovedScriptFields> read_approved_script_fields(const JsonTree& fields);

StampedDocument stamped(const ApprovedScriptFields& script, const Stamp& stamp);

// gait's normal form of an entry that `read` gave: the signature is over it. Fails with Invalid where gait would not
// take the entry.
Status normalise_approved_script(Json& entry);

}  // namespace countersign::statement
