// Custodians for trying out: three keys of ours in the state directory, two of which sign. Whoever can read the state
// directory is the quorum, so the root says that it is a trial; production gets its root from a ceremony.
#pragma once

#include <string>

#include "common/result.h"
#include "keymgmt/publication/repository.h"

namespace countersign::setup {

// `<state>/trial-custodians/custodian-{1,2,3}.pem` and `passphrase`, 0600; made where they are missing. Fails with
// Unavailable; with Refused, reason "custodian_missing", where only some of them are there.
Result<publication::ProposalTerms> trial_terms(const std::string& state);

// Signed by the first two of them. Fails as CustodianKey::from_file.
Result<publication::CustodianFiles> sign_as_trial(const std::string& state, publication::Proposal proposal);

}  // namespace countersign::setup
