// `countersignd establish`: the end of a first-keys ceremony. The keys are made and read back by then; here the ledger
// that begins with them is made, the quorum that signed the plan comes into office, and the keys are published.
#pragma once

#include <string>

#include "common/clock.h"
#include "common/json.h"
#include "common/result.h"
#include "signer/config/config.h"

namespace countersign::setup {

// `request`: {"intent","approvals","keys":[key as its holder described it],"publication"?: what the custodians signed}.
// Gives {"ok","plan_sha256","keys":[kid…]}. With "propose": true it changes nothing and gives {"ok","request"?}: what
// the custodians are to sign (keymgmt/publication/signing_request.h), where keys are published as a repository.
// Done again, it changes nothing; interrupted anywhere, it is finished by doing it again. Fails with Refused
// (under_signed and the like; too_early, too_late; ledger_there for a ledger of another plan; not_the_plans_key;
// targets_unsigned, root_key_missing, root_not_agreed, publication_differs) and as
// ledger and publication do.
Result<Json> establish(const config::Config& config, const Json& request, const Clock& clock);

}  // namespace countersign::setup
