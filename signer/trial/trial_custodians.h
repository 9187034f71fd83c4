// Custodians for trying out: three keys of ours in the state directory, two of which sign. Whoever can read the state
// directory is the quorum, so the root says that it is a trial; production gets its root from a ceremony.
#pragma once

#include <string>
#include <vector>

#include "common/json.h"
#include "common/result.h"
#include "keymgmt/publication/signing_request.h"
#include "signer/client/signer_client.h"

namespace countersign::trial {

// `<state>/trial-custodians/custodian-{1,2,3}.pem` and `passphrase`, 0600; made where they are missing. Fails with
// Unavailable; with Refused, reason "custodian_missing", where only some of them are there.
Result<publication::ProposalTerms> trial_terms(const std::string& state);

// Signed by the first two of them. Fails as CustodianKey::from_file, and with "custodian_missing" as above.
Result<publication::CustodianFiles> sign_as_trial(const std::string& state, publication::Proposal proposal);

// Their signatures under a root that takes over from theirs.
Result<std::vector<publication::CustodianSignature>> root_signatures(const std::string& state,
                                                                     const tuf::SignedDocument& root);

// Gives `body`, a request that publishes new keys, what the signer needs of custodians: asks it what is to be signed if
// `keys` (`{"token","keys":[…]}`) are published, and sets the member `publication`. Nothing where the signer publishes
// no repository. What is to be published is the signer's word, since its state is its alone; a trial's custodians
// believe it. Fails with Refused, reason "ceremony_needed", where the custodians are people.
Status add_signatures(const std::string& state, client::SignerClient& signer, const Json& keys, Json& body);

}  // namespace countersign::trial
