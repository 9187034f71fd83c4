// Records and leaves of the tree, many at a time, and its nodes: what is published and searched.
#include <algorithm>

#include "signer/ledger/findings.h"
#include "signer/ledger/leaf.h"
#include "signer/ledger/record_row.h"
#include "signer/ledger/sqlite_state.h"

namespace countersign::ledger {
namespace {

// Requests of the front wait for the reading connection meanwhile.
constexpr std::size_t kAtOnce = 32;

constexpr const char* kRecords =
    "SELECT " COUNTERSIGN_RECORD_COLUMNS " FROM records r WHERE r.idx >= ? AND r.idx < ? ORDER BY r.idx";

}  // namespace

Result<std::vector<std::string>> SqliteStore::leaves(std::uint64_t first, std::size_t limit) const {
  std::vector<std::string> leaves;
  const std::uint64_t end = std::min<std::uint64_t>(head().size, first + limit);
  while (first + leaves.size() < end) {
    const std::uint64_t from = first + leaves.size();
    const std::uint64_t to = std::min<std::uint64_t>(end, from + kAtOnce);
    const std::lock_guard lock(state_->reading);
    Query rows(state_->reader, kRecords, from, to);
    std::uint64_t index = from;
    for (; rows.next(); ++index) {
      const Record record = record_in(rows);
      ASSIGN_OR_RETURN(std::string leaf,
                       leaf_of(record, sha256(rows.text(kBodyColumn)), index, rows.text(kEffectsColumn)));
      leaves.push_back(std::move(leaf));
    }
    if (!rows.good()) return rows.failure("read the records");
    if (index != to) break;  // the caller counts
  }
  return leaves;
}

Result<std::vector<Record>> SqliteStore::records(std::uint64_t first, std::size_t limit) const {
  std::vector<Record> records;
  const std::uint64_t end = std::min<std::uint64_t>(head().size, first + limit);
  while (first + records.size() < end) {
    const std::uint64_t from = first + records.size();
    const std::lock_guard lock(state_->reading);
    Query rows(state_->reader, kRecords, from, std::min<std::uint64_t>(end, from + kAtOnce));
    while (rows.next()) {
      if (rows.number(0) != first + records.size()) return truncated("a record is missing");
      records.push_back(record_in(rows));
      records.back().body = rows.text(kBodyColumn);
    }
    if (!rows.good()) return rows.failure("read the records");
    if (first + records.size() == from) break;  // the caller counts
  }
  return records;
}

Result<Digest> SqliteStore::node(unsigned level, std::uint64_t index) const {
  if (level >= 64 || index + 1 > head().size >> level) {
    return Error{ErrorCode::NotFound, "a subtree lies beyond the ledger's end"};
  }
  const std::lock_guard lock(state_->reading);
  return state_->nodes().node(level, index);
}

}  // namespace countersign::ledger
