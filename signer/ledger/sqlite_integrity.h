// Whether the stored records are the ones the tree commits to, and the derived tables what the records say.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "common/result.h"
#include "signer/ledger/newest.h"
#include "signer/ledger/sqlite_connection.h"
#include "signer/ledger/sqlite_tree.h"
#include "signer/ledger/store.h"

namespace countersign::ledger {

// Application id, schema version and every table and index as they were created. Fails with Refused, reason
// "ledger_version" or "ledger_corrupt".
Status check_schema(Connection& connection);

// What of the newest records no table holds, made again from them.
struct Tail {
  log::Frontier frontier;
  std::vector<Digest> leaves;         // from the last multiple of kTile on
  std::vector<DecisionPlace> places;  // from the last multiple of kDecisionBlock on
};
// Proves the head: the kept nodes and the leaves of the newest records make the tree of its root. Takes the same time
// for a ledger of any size. Fails with Refused, reason "ledger_truncated" or "ledger_forked".
Result<Tail> read_tail(Connection& connection, const TreeHead& head);

// Hashes the records [first, last) again and compares them with their tiles, the tiles with their kept nodes, and what
// the records redeemed, executed, decided and minted with the tables: what the records say is there, and no other
// redemption or execution. `first` must be a multiple of kTile; `size` is the ledger's. Fails with Refused, reason
// "ledger_truncated", "ledger_forked" or "ledger_corrupt". Gives how many were redeemed and executed.
Result<Verification> check_records(Connection& connection, std::uint64_t first, std::uint64_t last, std::uint64_t size);

// The table of keys against the records, and that of required approvals.
Status check_keys(Connection& connection);
Status check_required(Connection& connection, const Newest& newest, std::uint64_t size);

using Progress = std::function<void(std::uint64_t done, std::uint64_t size)>;
// All of this, of a schema that was checked.
Result<Verification> check_everything(Connection& connection, const TreeHead& head, const Progress& progress = {});

// SQLite's check of the tables that are looked up by an index, where a damaged index would hide a row: a redemption, a
// required approval. Not of records and leaves, which are compared with the tree.
Status check_indices(Connection& connection);

// SQLite's own check of every page and index.
Status check_pages(Connection& connection);

}  // namespace countersign::ledger
