#include "signer/ledger/sqlite_tree.h"

#include <algorithm>
#include <bit>
#include <string>
#include <utility>

#include "signer/ledger/findings.h"

namespace countersign::ledger {
namespace {

constexpr const char* kMeta =
    "SELECT size, root, high_water, since_boot, boot_id, sequence_ceiling, key_set_version, checksum "
    "FROM meta WHERE id = 1";
constexpr const char* kWriteMeta =
    "INSERT OR REPLACE INTO meta(id, size, root, high_water, since_boot, boot_id, sequence_ceiling, key_set_version, "
    "checksum) VALUES(1, ?, ?, ?, ?, ?, ?, ?, ?)";
constexpr const char* kTileAt = "SELECT hashes FROM tiles WHERE idx = ?";
constexpr const char* kKeepTile = "INSERT INTO tiles(idx, hashes) VALUES(?, ?)";
constexpr const char* kNodes = "SELECT hash FROM nodes WHERE level = ? AND idx >= ? AND idx < ? ORDER BY idx";
constexpr const char* kKeepNode = "INSERT INTO nodes(level, idx, hash) VALUES(?, ?, ?)";

Digest root_over(std::span<const Digest> hashes) {
  log::Frontier frontier;
  for (const Digest& hash : hashes) frontier.append(hash);
  return frontier.root();
}

// The root over `count` neighbouring kept nodes, `count` a power of two.
Result<Digest> folded(Connection& connection, unsigned level, std::uint64_t first, std::uint64_t count) {
  log::Frontier frontier;
  Query rows(connection, kNodes, level, first, first + count);
  while (rows.next()) frontier.append(rows.digest(0));
  if (!rows.good()) return rows.failure("read the tree");
  if (frontier.size() != count) {
    return truncated("hashes of the tree are missing at leaf " + std::to_string(first << level));
  }
  return frontier.root();
}

// Tells accidents, not attackers: what an attacker may not forge is in the tree and its anchors.
Digest checksum_of(const Meta& meta) {
  std::string text = std::to_string(meta.head.size) + " " + meta.head.root.hex() + " ";
  if (meta.mark) {
    text += std::to_string(column_of(meta.mark->wall)) + " " + std::to_string(meta.mark->since_boot.count()) + " " +
            meta.mark->boot_id + " ";
  }
  text += std::to_string(meta.sequence_ceiling) + " " + std::to_string(meta.key_set_version);
  return sha256(text);
}

}  // namespace

Result<Meta> read_meta(Connection& connection) {
  Query row(connection, kMeta);
  if (!row.next()) {
    if (!row.good()) return row.failure("read the ledger's head");
    return truncated("the ledger has no head");
  }
  Meta meta;
  meta.head.size = row.number(0);
  meta.head.root = row.digest(1);
  if (!row.is_null(2)) {
    meta.mark = TimeMark{row.time(2), std::chrono::nanoseconds(row.integer(3)), std::string(row.text(4))};
  }
  meta.sequence_ceiling = row.number(5);
  meta.key_set_version = row.number(6);
  if (row.digest(7) != checksum_of(meta)) return corrupt("the ledger's head does not match its checksum");
  return meta;
}

Status write_meta(Connection& connection, const Meta& meta) {
  const Digest checksum = checksum_of(meta);
  if (!meta.mark) {
    return Query(connection, kWriteMeta, meta.head.size, meta.head.root, std::nullopt, std::nullopt, std::nullopt,
                 meta.sequence_ceiling, meta.key_set_version, checksum)
        .run();
  }
  return Query(connection, kWriteMeta, meta.head.size, meta.head.root, meta.mark->wall, meta.mark->since_boot.count(),
               meta.mark->boot_id, meta.sequence_ceiling, meta.key_set_version, checksum)
      .run();
}

Result<std::vector<Digest>> tile_at(Connection& connection, std::uint64_t tile) {
  Query row(connection, kTileAt, tile);
  if (!row.next()) {
    if (!row.good()) return row.failure("read the tree");
    return truncated("the hashes from record " + std::to_string(tile * kTile) + " on are missing");
  }
  const ByteView bytes = row.blob(0);
  std::vector<Digest> hashes;
  for (std::size_t at = 0; at + Digest::kSize <= bytes.size(); at += Digest::kSize) {
    hashes.push_back(*Digest::from_bytes(bytes.subspan(at, Digest::kSize)));
  }
  if (hashes.size() != kTile) return corrupt("tile " + std::to_string(tile) + " holds another number of hashes");
  return hashes;
}

Result<std::vector<Digest>> TableNodes::leaves(std::uint64_t first, std::size_t limit) const {
  std::vector<Digest> hashes;
  while (hashes.size() < limit) {
    const std::uint64_t index = first + hashes.size();
    if (const std::optional<Digest> newest = newest_.leaf(index)) {
      hashes.push_back(*newest);
      continue;
    }
    const Result<std::vector<Digest>> tile = tile_at(connection_, index / kTile);
    if (!tile && tile.error().reason == "ledger_truncated") break;  // the end; who knows better counts
    if (!tile) return tile.error();
    const auto from = tile->begin() + static_cast<std::ptrdiff_t>(index % kTile);
    const std::size_t count =
        std::min<std::size_t>(static_cast<std::size_t>(tile->end() - from), limit - hashes.size());
    hashes.insert(hashes.end(), from, from + static_cast<std::ptrdiff_t>(count));
  }
  return hashes;
}

Result<Digest> TableNodes::node(unsigned level, std::uint64_t index) const {
  if (level < kKeptLevels) {
    const std::uint64_t count = std::uint64_t{1} << level;
    ASSIGN_OR_RETURN(const std::vector<Digest> hashes, leaves(index << level, count));
    if (hashes.size() != count) return truncated("hashes are missing at leaf " + std::to_string(index << level));
    return root_over(hashes);
  }
  const unsigned kept = level - level % kKeptLevels;
  return folded(connection_, kept, index << (level - kept), std::uint64_t{1} << (level - kept));
}

Status keep_tree(Connection& connection, std::uint64_t size_before, std::uint64_t size,
                 std::span<const Digest> leaves) {
  for (std::uint64_t tile = size_before / kTile; tile < size / kTile; ++tile) {
    const auto hashes = leaves.subspan((tile - size_before / kTile) * kTile, kTile);
    Bytes bytes;
    bytes.reserve(kTile * Digest::kSize);
    for (const Digest& hash : hashes) bytes.insert(bytes.end(), hash.bytes().begin(), hash.bytes().end());
    const Digest root = root_over(hashes);
    RETURN_IF_ERROR(Query(connection, kKeepTile, tile, ByteView(bytes)).run());
    RETURN_IF_ERROR(Query(connection, kKeepNode, kKeptLevels, tile, root).run());
  }
  for (unsigned level = 2 * kKeptLevels; (size >> level) != 0; level += kKeptLevels) {
    for (std::uint64_t index = size_before >> level; index < size >> level; ++index) {
      ASSIGN_OR_RETURN(const Digest root, folded(connection, level - kKeptLevels, index << kKeptLevels, kTile));
      RETURN_IF_ERROR(Query(connection, kKeepNode, level, index, root).run());
    }
  }
  return ok();
}

Status check_tile(Connection& connection, std::uint64_t tile, std::span<const Digest> hashes) {
  ASSIGN_OR_RETURN(const Digest kept, folded(connection, kKeptLevels, tile, 1));
  if (kept == root_over(hashes)) return ok();
  return forked("the kept hash over the records from " + std::to_string(tile * kTile) + " on is wrong");
}

Status check_nodes(Connection& connection, std::uint64_t size) {
  for (unsigned level = 2 * kKeptLevels; (size >> level) != 0; level += kKeptLevels) {
    for (std::uint64_t index = 0; index < size >> level; ++index) {
      ASSIGN_OR_RETURN(const Digest kept, folded(connection, level, index, 1));
      ASSIGN_OR_RETURN(const Digest root, folded(connection, level - kKeptLevels, index << kKeptLevels, kTile));
      if (kept != root) return forked("a kept hash of level " + std::to_string(level) + " is wrong");
    }
  }
  return ok();
}

Result<log::Frontier> frontier_of(Connection& connection, std::uint64_t size, std::span<const Digest> leaves) {
  std::vector<Digest> subtrees;
  std::uint64_t begin = 0;
  const std::uint64_t tiled = size - size % kTile;
  while (begin < tiled) {
    const auto level = static_cast<unsigned>(std::bit_width(tiled - begin) - 1);
    const unsigned kept = level - level % kKeptLevels;
    ASSIGN_OR_RETURN(const Digest root, folded(connection, kept, begin >> kept, std::uint64_t{1} << (level - kept)));
    subtrees.push_back(root);
    begin += std::uint64_t{1} << level;
  }
  ASSIGN_OR_RETURN(log::Frontier frontier, log::Frontier::of(tiled, std::move(subtrees)));
  for (const Digest& leaf : leaves) frontier.append(leaf);
  return frontier;
}

}  // namespace countersign::ledger
