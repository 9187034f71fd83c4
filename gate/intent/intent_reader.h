// The first half of Intent::parse: an intent's members as the document spells them, typed and not yet normalised.
#pragma once

#include "gate/document/gait_fields.h"
#include "gate/intent/intent.h"

namespace countersign::gate {

// Where the texts of the claims stand until they are normalised: in context.claims. auth_context still holds its
// context_age_seconds. Fails with Invalid, "parse intent json: …".
Result<IntentFields> read_intent(const Json& document);

// The second half (gait-formats §5.2), in place. Fails with Invalid, "normalize intent: …".
Status normalise_intent(IntentFields& fields, ArgsReading args);

}  // namespace countersign::gate
