// The ledger's restores as its table holds them. Only for the folder's own .cc files.
#pragma once

#include <vector>

#include "common/result.h"
#include "signer/ledger/sqlite_connection.h"
#include "signer/ledger/store.h"

namespace countersign::ledger {

// Oldest first, each read from its record. Fails with Refused, reason "ledger_corrupt", on a body that is none of ours.
Result<std::vector<Restore>> restores_in(Connection& connection);

// Says that record `restore.index` is a restore. In the transaction that writes the record.
Status keep_restore(Connection& connection, std::uint64_t index, UtcTime at);

// The body of the record; `backup` is the head that the backup had, `anchors` those that were compared, `moved_aside`
// where the ledger went that stood in its place.
std::string restore_body(const Restore& restore, const TreeHead& backup, const Json& anchors,
                         const std::string& moved_aside);

}  // namespace countersign::ledger
