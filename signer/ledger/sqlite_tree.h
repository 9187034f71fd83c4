// The tree as it lies in the tables `tiles`, `nodes` and `meta`.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "common/result.h"
#include "signer/ledger/newest.h"
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

// Hashes from the tables, and of the last, not yet full tile from `newest`.
class TableNodes : public log::NodeReader {
 public:
  TableNodes(Connection& connection, const Newest& newest) : connection_(connection), newest_(newest) {}
  Result<Digest> node(unsigned level, std::uint64_t index) const override;
  // At most `limit` leaf hashes from leaf `first` on.
  Result<std::vector<Digest>> leaves(std::uint64_t first, std::size_t limit) const;

 private:
  Connection& connection_;
  const Newest& newest_;
};

// Levels that `nodes` keeps: 8, 16, … up to the whole tree.
inline constexpr unsigned kKeptLevels = 8;
static_assert(kTile == std::uint64_t{1} << kKeptLevels);

// Writes the tiles and kept nodes that a tree of `size` leaves has and one of `size_before` had not. `leaves`: the
// hashes from the last multiple of kTile below `size_before` up to `size`.
Status keep_tree(Connection& connection, std::uint64_t size_before, std::uint64_t size, std::span<const Digest> leaves);

// The hashes of a full tile. Fails with Refused, reason "ledger_truncated" where it is missing.
Result<std::vector<Digest>> tile_at(Connection& connection, std::uint64_t tile);

// Tile `tile` against its kept node. Fails with Refused, reason "ledger_forked".
Status check_tile(Connection& connection, std::uint64_t tile, std::span<const Digest> hashes);

// The kept nodes above those of the tiles, each against the level below.
Status check_nodes(Connection& connection, std::uint64_t size);

// The tree of `size` leaves, from its kept nodes and `leaves`, the hashes from the last multiple of kTile on.
Result<log::Frontier> frontier_of(Connection& connection, std::uint64_t size, std::span<const Digest> leaves);

}  // namespace countersign::ledger
