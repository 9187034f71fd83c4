// The delegation token: one identity lets another act for it (gait-formats §11).
#pragma once

#include "signer/statement/trace_fields.h"

namespace countersign::statement {

const Structure& delegation_token_structure();

// Strict. Fails with Invalid; with Refused for a wildcard ("scope_wildcard") and for a delegation to oneself
// ("delegation_to_self").
Result<DelegationTokenFields> read_delegation_token_fields(const JsonTree& fields);

// Fails with Invalid unless the stamp's token id is 24 lower-case hex digits.
Result<StampedDocument> stamped(const DelegationTokenFields& token, const Stamp& stamp);

// gait's normal form of a token that `read` gave: the signature is over it. Fails with Invalid where gait would say
// delegation_token_invalid.
Status normalise_delegation_token(Json& token);

}  // namespace countersign::statement
