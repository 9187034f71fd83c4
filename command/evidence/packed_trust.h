// Published keys that travel with an evidence pack: what leads a stranger from a pinned root to the key set, offline.
#pragma once

#include <string>
#include <vector>

#include "common/clock.h"
#include "common/result.h"
#include "keymgmt/key_set.h"
#include "packs/evidence_pack.h"

namespace countersign::command {

// The files of the TUF repository at `from` (a directory or an HTTP server) from its first root to its key set, under
// packs::kTrustFolder. Fails as sync::refresh does: what does not lead to a key set now leads nobody to one later.
Result<std::vector<packs::ZipFile>> published_files(const std::string& from);

// The key set to which the pack's files lead from `pinned_root`, as it was at `moment`: metadata that had expired then
// are refused, what was revoked later is not known. Fails as sync::refresh, and with VerificationFailed, reason
// "no_packed_keys", where the pack holds none.
Result<keymgmt::KeySet> packed_keys(const packs::EvidencePack& pack, const std::string& pinned_root, UtcTime moment);

}  // namespace countersign::command
