#include "signer/ledger/sqlite_tree.h"

#include <string>

#include "signer/ledger/findings.h"

namespace countersign::ledger {
namespace {

constexpr const char* kMeta =
    "SELECT size, root, high_water, since_boot, boot_id, sequence_ceiling, key_set_version, checksum "
    "FROM meta WHERE id = 1";
constexpr const char* kWriteMeta =
    "INSERT OR REPLACE INTO meta(id, size, root, high_water, since_boot, boot_id, sequence_ceiling, key_set_version, "
    "checksum) VALUES(1, ?, ?, ?, ?, ?, ?, ?, ?)";
constexpr const char* kLeaves = "SELECT hash FROM leaves WHERE idx >= ? AND idx < ? ORDER BY idx";
constexpr const char* kNodes = "SELECT hash FROM nodes WHERE level = ? AND idx >= ? AND idx < ? ORDER BY idx";
constexpr const char* kKeepNode = "INSERT INTO nodes(level, idx, hash) VALUES(?, ?, ?)";
constexpr const char* kAllLeaves = "SELECT idx, hash FROM leaves ORDER BY idx";

// The root over `count` neighbouring nodes of a kept level (0 for leaves), `count` a power of two.
Result<Digest> folded(Connection& connection, unsigned level, std::uint64_t first, std::uint64_t count) {
  log::Frontier frontier;
  const auto fold = [&](Query& rows) {
    while (rows.next()) frontier.append(rows.digest(0));
    return rows.good();
  };
  bool good = false;
  if (level == 0) {
    Query rows(connection, kLeaves, first, first + count);
    good = fold(rows);
  } else {
    Query rows(connection, kNodes, level, first, first + count);
    good = fold(rows);
  }
  if (!good) return connection.failure("read the tree");
  if (frontier.size() != count)
    return truncated("hashes of the tree are missing at leaf " + std::to_string(first << level));
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

Result<Digest> TableNodes::node(unsigned level, std::uint64_t index) const {
  const unsigned kept = level - level % kKeptLevels;
  return folded(connection_, kept, index << (level - kept), std::uint64_t{1} << (level - kept));
}

Status keep_nodes(Connection& connection, std::uint64_t size_before, std::uint64_t size) {
  for (unsigned level = kKeptLevels; (size >> level) != 0; level += kKeptLevels) {
    for (std::uint64_t index = size_before >> level; index < size >> level; ++index) {
      ASSIGN_OR_RETURN(const Digest root,
                       folded(connection, level - kKeptLevels, index << kKeptLevels, std::uint64_t{1} << kKeptLevels));
      RETURN_IF_ERROR(Query(connection, kKeepNode, level, index, root).run());
    }
  }
  return ok();
}

Result<log::Frontier> check_tree(Connection& connection, const TreeHead& head) {
  log::Frontier frontier;
  log::Frontier tile;
  Query rows(connection, kAllLeaves);
  while (rows.next()) {
    if (rows.number(0) != frontier.size())
      return truncated("record " + std::to_string(frontier.size()) + " is missing");
    const Digest leaf = rows.digest(1);
    frontier.append(leaf);
    tile.append(leaf);
    if (tile.size() == std::uint64_t{1} << kKeptLevels) {
      ASSIGN_OR_RETURN(const Digest kept, TableNodes(connection).node(kKeptLevels, frontier.size() / tile.size() - 1));
      if (kept != tile.root())
        return forked("a kept hash before record " + std::to_string(frontier.size()) + " is wrong");
      tile = log::Frontier();
    }
  }
  if (!rows.good()) return rows.failure("read the tree");
  if (frontier.size() < head.size) {
    return truncated("the ledger has " + std::to_string(frontier.size()) + " of " + std::to_string(head.size) +
                     " records");
  }
  if (frontier.size() > head.size || frontier.root() != head.root) {
    return forked("the root of the " + std::to_string(frontier.size()) + " records is not the one kept for " +
                  std::to_string(head.size));
  }
  // The higher kept levels, each from the one below.
  for (unsigned level = 2 * kKeptLevels; (head.size >> level) != 0; level += kKeptLevels) {
    for (std::uint64_t index = 0; index < head.size >> level; ++index) {
      ASSIGN_OR_RETURN(const Digest kept, TableNodes(connection).node(level, index));
      ASSIGN_OR_RETURN(const Digest root,
                       folded(connection, level - kKeptLevels, index << kKeptLevels, std::uint64_t{1} << kKeptLevels));
      if (kept != root) return forked("a kept hash of level " + std::to_string(level) + " is wrong");
    }
  }
  return frontier;
}

}  // namespace countersign::ledger
