// Attestations of state files and envelopes on the command line (gate/state/state_attestation.h).
#pragma once

#include <string>
#include <string_view>

#include "command/line/arguments.h"
#include "common/clock.h"
#include "common/json.h"
#include "common/result.h"
#include "signer/client/signer_client.h"

namespace countersign::command {

// Has `document` attested and puts the attestation into it. Fails as the signer does.
Status attest(client::SignerClient& signer, Json& document, UtcTime now);

// The same, where --signer or $COUNTERSIGN_SIGNER names a signer; otherwise the document stays as it is.
Status attest_where_named(const Arguments& arguments, Json& document, UtcTime now);

// Where an envelope's attestation lies: "<envelope>.countersign.json".
std::string attestation_path(const std::string& envelope);

inline constexpr Flag kAttestedByFlag = {
    "attested-by", Flag::Kind::Text, "KIDS",
    "the keys one of which must vouch for envelope and states, separated by commas; any: every trace key"};

// Where --attested-by is given: whether the file `text`, read from `path`, is vouched for by one of those keys of the
// signer's published set. An envelope's attestation lies beside it, a state's in it. Fails with Invalid (exit 6), the
// reason of gate::check_attestation, and with Unavailable where the signer cannot be asked.
Status require_attested(const Arguments& arguments, const std::string& path, const std::string& text);

// The same for a document that came in a request as `name`, with its attestation, or null.
Status require_attested(const Arguments& settings, std::string_view name, const Json& document,
                        const Json* attestation);

}  // namespace countersign::command
