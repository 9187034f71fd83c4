// The approval token: what a caller may ask for, and the document the holder makes of it (gait-formats §9).
#pragma once

#include "signer/statement/trace_fields.h"

namespace countersign::statement {

const Structure& approval_token_structure();

// Strict. A scope word without ':' becomes tool:<word>. Fails with Invalid, and with Refused ("scope_wildcard") for
// '*'.
Result<ApprovalTokenFields> read_approval_token_fields(const JsonTree& fields);

// Fails with Invalid unless the stamp's token id is 24 lower-case hex digits.
Result<StampedDocument> stamped(const ApprovalTokenFields& token, const Stamp& stamp);

// gait's normal form of a token that `read` gave (gait-formats §9.3, step 1): the signature is over it.
// Fails with Invalid where gait would say approval_token_invalid.
Status normalise_approval_token(Json& token);

}  // namespace countersign::statement
