// What vouches for a file that gait leaves unsigned: context envelopes, kill-switch and rate-limit states. A statement
// of type state_attestation by the trace role over the file's RFC 8785 digest. State files carry it as their member
// `countersign`, which gait's readers ignore; envelopes, whose unknown members gait refuses, have it in a file beside
// them.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "common/clock.h"
#include "common/json.h"
#include "common/result.h"
#include "keymgmt/key_set.h"

namespace countersign::gate {

inline constexpr std::string_view kAttestationMember = "countersign";

// The statement to be signed about `document`, whose own attestation does not count.
Json attestation_fields(const Json& document, UtcTime now);

// Among the kids: every key of the trace role.
inline constexpr std::string_view kAnyAttester = "any";

// Whether `attestation` is by one of `kids` (of the published set `keys`) and about exactly this document. Fails with
// VerificationFailed: state_unattested, state_changed, state_key_refused, or the reason a signature does not verify
// for.
Status check_attestation(const Json& document, const Json* attestation, const keymgmt::KeySet& keys,
                         const std::vector<std::string>& kids);

}  // namespace countersign::gate
