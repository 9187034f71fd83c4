// Whether the stored records are the ones the tree commits to, and the derived tables what the records say.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "common/bytes.h"
#include "common/clock.h"
#include "common/result.h"
#include "signer/ledger/newest.h"
#include "signer/ledger/sqlite_connection.h"
#include "signer/ledger/sqlite_tree.h"
#include "signer/ledger/store.h"

namespace countersign::ledger {

// What of the newest records no table holds, made again from them.
struct Tail {
  log::Frontier frontier;
  std::vector<Digest> leaves;         // from the last multiple of kTile on
  std::vector<DecisionPlace> places;  // from the last multiple of kDecisionBlock on
};
// Proves the head: the kept nodes and the leaves of the newest records make the tree of its root. Takes the same time
// for a ledger of any size. Fails with Refused, reason "ledger_truncated" or "ledger_forked".
Result<Tail> read_tail(Connection& connection, const TreeHead& head);

// What a check of some records saw.
struct Seen {
  std::uint64_t redemptions = 0;
  std::uint64_t executions = 0;
  std::optional<UtcTime> oldest{};  // of the records' times
  bool time_reset = false;          // a custodian set the clock: times before and after are not comparable
};
// Hashes the records [first, last) again and compares them with their tiles, the tiles with their kept nodes, and what
// the records redeemed, executed, decided, minted and restored with the tables: what the records say is there, and no
// other redemption or execution. `first` must be a multiple of kTile; `size` is the ledger's. Fails with Refused,
// reason "ledger_truncated", "ledger_forked" or "ledger_corrupt".
Result<Seen> check_records(Connection& connection, std::uint64_t first, std::uint64_t last, std::uint64_t size);

// The tables of keys and of restores against the records: a handful of rows.
Status check_keys(Connection& connection);
Status check_restores(Connection& connection);

// Where a check of a table by its rows goes on; at the end of the table `done` is true.
struct TableCursor {
  Bytes intent;
  Bytes policy;
  std::int64_t row = 0;
  bool done = false;
};
// The next `limit` rows of the table of required approvals against the records; of the kept intents and of the answers
// against their checksums.
Status check_required(Connection& connection, const Newest& newest, std::uint64_t size, std::size_t limit,
                      TableCursor& cursor);
Status check_intents(Connection& connection, std::size_t limit, TableCursor& cursor);
Status check_answers(Connection& connection, std::size_t limit, TableCursor& cursor);

// SQLite's check of the tables that are looked up by an index, where a damaged index would hide a row: a redemption, a
// required approval. Not of records and leaves, which are compared with the tree. One table at a time.
inline constexpr std::size_t kIndexedTables = 8;
Status check_index(Connection& connection, std::size_t table);

// SQLite's own check of every page and index.
Status check_pages(Connection& connection);

}  // namespace countersign::ledger
