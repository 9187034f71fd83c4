// What root and targets may say, whoever signed them: the rules that the repository keeps and that a custodian checks
// before signing.
#pragma once

#include <string_view>

#include "common/result.h"
#include "keymgmt/key_set.h"
#include "keymgmt/tuf/metadata.h"

namespace countersign::publication {

// One key fewer must still be enough, or a lost key ends the repository. Fails with Refused "threshold_unsafe".
Status check_threshold(const tuf::Signers& signers, std::string_view role);
// What the online role may sign is signed by keys of the set with that role, and by no custodian. Fails with Refused
// "publication_keys".
Status check_online(const tuf::Root& root, const tuf::Targets& targets, const keymgmt::KeySet& keys);
// A set never loses a key. Fails with Refused "key_dropped".
Status check_cumulative(const keymgmt::KeySet& before, const keymgmt::KeySet& after);
// targets.json lists exactly the files that are made from the key set. Fails with VerificationFailed
// "arbitrary_software".
Status check_listed(const tuf::Targets& targets, const keymgmt::KeySet& keys, std::string_view keyset);

}  // namespace countersign::publication
