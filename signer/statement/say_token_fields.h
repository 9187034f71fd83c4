// The say token: what an agent may say in one turn of a call, after an allow of exactly that (docs/voice.md).
#pragma once

#include <span>

#include "signer/statement/trace_fields.h"

namespace countersign::statement {

// What an agent can commit to by saying it; a closed set.
std::span<const std::string_view> commitment_classes();
bool is_commitment_class(std::string_view text);

// Amounts of money in cents that bound what is said; 0: no bound.
struct SpokenBounds {
  std::int64_t quote_min_cents = 0;
  std::int64_t quote_max_cents = 0;
  std::int64_t refund_ceiling_cents = 0;
};
// None is negative, and a highest quote is not below the lowest. Fails with Invalid, in gait's words.
Status check_bounds(const SpokenBounds& bounds);

const Structure& say_token_structure();

// Strict: what gait would trim or change is refused, since the token must say what was decided. Fails with Invalid.
Result<SayTokenFields> read_say_token_fields(const JsonTree& fields);

// The members between policy_digest and expires_at, as the token and a request to sign one have them.
void put_spoken(const SayTokenFields& token, Json& out);

// Fails with Invalid unless the stamp's token id is 24 lower-case hex digits.
Result<StampedDocument> stamped(const SayTokenFields& token, const Stamp& stamp);

// gait's normal form of a token that `read` gave: the signature is over it. Fails with Invalid where gait would say
// say_token_invalid.
Status normalise_say_token(Json& token);

}  // namespace countersign::statement
