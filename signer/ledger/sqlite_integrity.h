// Whether the stored records are the ones the tree commits to, and the derived tables what the records say.
#pragma once

#include <cstdint>

#include "common/result.h"
#include "signer/ledger/sqlite_connection.h"
#include "signer/ledger/sqlite_tree.h"
#include "signer/ledger/store.h"

namespace countersign::ledger {

// Application id, schema version and every table and index as they were created. Fails with Refused, reason
// "ledger_version" or "ledger_corrupt".
Status check_schema(Connection& connection);

// Where the checks begin; each goes on to the head.
struct CheckedRecords {
  std::uint64_t compared_from = 0;  // redemptions, executions and decisions, as the records list them
  std::uint64_t hashed_from = 0;    // and the records themselves with the tree; not less than compared_from
};

// Hashes records again, and compares redemptions, executions, decisions and keys that came with them in both
// directions: what the records say is in the tables, and nothing else is. Fails with Refused, reason
// "ledger_truncated", "ledger_forked" or "ledger_corrupt".
Result<Verification> check_records(Connection& connection, const TreeHead& head, const CheckedRecords& range);

// SQLite's check of the tables that are looked up by an index, where a damaged index would hide a row: a redemption, a
// required approval. Not of records and leaves, which are compared with the tree.
Status check_indices(Connection& connection);

// SQLite's own check of every page and index.
Status check_pages(Connection& connection);

}  // namespace countersign::ledger
