// The tree as it lies in the tables `leaves`, `nodes` and `meta`.
#pragma once

#include <cstdint>
#include <optional>

#include "common/result.h"
#include "signer/ledger/sqlite_connection.h"
#include "signer/ledger/store.h"
#include "signer/ledger/time_guard.h"
#include "signer/log/merkle_tree.h"

namespace countersign::ledger {

// The one row of `meta`.
struct Meta {
  TreeHead head;
  std::optional<TimeMark> mark;
  std::uint64_t sequence_ceiling = 0;
  std::uint64_t key_set_version = 0;
};
// Fails with Refused, reason "ledger_truncated" or "ledger_corrupt".
Result<Meta> read_meta(Connection& connection);
Status write_meta(Connection& connection, const Meta& meta);

class TableNodes : public log::NodeReader {
 public:
  explicit TableNodes(Connection& connection) : connection_(connection) {}
  Result<Digest> node(unsigned level, std::uint64_t index) const override;

 private:
  Connection& connection_;
};

// Levels that `nodes` keeps: 8, 16, … up to the whole tree.
inline constexpr unsigned kKeptLevels = 8;

// Writes the kept nodes that a tree of `size` leaves has and one of `size_before` had not.
Status keep_nodes(Connection& connection, std::uint64_t size_before, std::uint64_t size);

// Folds all leaf hashes and compares them with the kept nodes and with `head`. Fails with Refused: "ledger_truncated"
// where leaves are missing, "ledger_forked" where their root or a kept node is another one.
Result<log::Frontier> check_tree(Connection& connection, const TreeHead& head);

}  // namespace countersign::ledger
