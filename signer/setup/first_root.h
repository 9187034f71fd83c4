// The first root and targets of the published keys: a trial's own, or the custodians' of a first-keys ceremony.
#pragma once

#include <string>

#include "common/clock.h"
#include "common/result.h"
#include "keymgmt/ceremony/quorum.h"
#include "keymgmt/publication/signing_request.h"
#include "keymgmt/rotation.h"
#include "signer/config/config.h"
#include "signer/ledger/store.h"

namespace countersign::setup {

// A trial root where there is none, and targets that list every key of the ledger, signed by the trial's own
// custodians. Nothing without the role publication. Fails with Refused (ceremony_needed) where the root is people's.
Status sign_trial_key_set(const ledger::Store& store, const config::Config& config, UtcTime now);

// Whether the custodians of `quorum` sign the first root: they do where keys are published as a repository. Fails with
// Refused (root_key_missing) where one of them has none, unless the appliance is a trial, which has a root of its own.
Result<bool> has_root_of_custodians(const config::Config& config, const ceremony::Quorum& quorum);
// `keys`: as they will be staged.
Result<publication::SigningRequest> first_request(const keymgmt::Keys& keys, const ceremony::Quorum& quorum,
                                                  UtcTime now);
// Checked and stored. Fails as Repository::begun, with Refused (root_not_agreed, publication_differs).
Status take_first_root(const publication::CustodianFiles& files, const keymgmt::Keys& keys,
                       const ceremony::Quorum& quorum, const std::string& state);

}  // namespace countersign::setup
