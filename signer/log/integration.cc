#include "signer/log/integration.h"

#include <algorithm>

#include "signer/log/merkle_tree.h"

namespace countersign::log {
namespace {

using Kind = TileId::Kind;

Error forked(std::uint64_t size) {
  return Error{ErrorCode::Refused,
               "the root over the log's first " + std::to_string(size) + " entries is not the ledger's", "log_forked",
               "Keep both as they are for the investigation; `countersign log fsck` names the files that differ."};
}

Error short_read(std::uint64_t first) {
  return Error{ErrorCode::Unavailable,
               "the ledger gave fewer leaves than it has from " + std::to_string(first) + " on"};
}

}  // namespace

Result<std::vector<std::string>> Integration::leaves_of(std::uint64_t first, std::size_t count,
                                                        const std::vector<Digest>& hashes) const {
  ASSIGN_OR_RETURN(std::vector<std::string> leaves, ledger_.leaves(first, count));
  if (leaves.size() != count || hashes.size() != count) return short_read(first);
  for (std::size_t i = 0; i < count; ++i) {
    if (leaf_hash(view_of(leaves[i])) != hashes[i]) return forked(first + i + 1);
  }
  return leaves;
}

Status Integration::mend(const TileId& id, const std::string& bytes, Recovery& recovery) {
  const Result<std::string> there = folder_.source().read(id.path());
  if (there && *there == bytes) return ok();
  ++recovery.mended;
  return folder_.write(id, bytes);
}

Result<TileEdge> Integration::edge_at(std::uint64_t size) const {
  std::vector<std::vector<Digest>> levels(tile_levels(size));
  for (unsigned level = 0; level < levels.size(); ++level) {
    const std::uint64_t end = size >> (level * kTileHeight);
    for (std::uint64_t index = end / kTileWidth * kTileWidth; index < end; ++index) {
      ASSIGN_OR_RETURN(const Digest hash, ledger_.node(level * kTileHeight, index));
      levels[level].push_back(hash);
    }
  }
  return TileEdge::of(size, std::move(levels));
}

Result<Integration::Recovery> Integration::recover(std::uint64_t size, std::uint64_t checked) {
  Recovery recovery;
  recovery.size = size;
  ASSIGN_OR_RETURN(TileEdge edge, edge_at(std::min(checked, size) / kTileWidth * kTileWidth));
  while (edge.size() < size) {
    const std::uint64_t first = edge.size();
    const auto count = static_cast<std::size_t>(std::min(kTileWidth, size - first));
    ASSIGN_OR_RETURN(const std::vector<Digest> hashes, ledger_.hashes(first, count));
    ASSIGN_OR_RETURN(const std::vector<std::string> leaves, leaves_of(first, count, hashes));
    ASSIGN_OR_RETURN(const std::string bundle, bundle_bytes(leaves));
    RETURN_IF_ERROR(mend({Kind::Entries, 0, first / kTileWidth, count}, bundle, recovery));
    for (const Digest& hash : hashes) {
      for (const TileEdge::FullTile& tile : edge.append(hash)) {
        RETURN_IF_ERROR(mend({Kind::Hashes, tile.level, tile.index, kTileWidth}, tile_bytes(tile.hashes), recovery));
      }
    }
  }
  for (unsigned level = 0; level < edge.levels().size(); ++level) {
    const std::vector<Digest>& hashes = edge.levels()[level];
    if (hashes.empty()) continue;
    const TileId id{Kind::Hashes, level, edge.size() >> ((level + 1) * kTileHeight), hashes.size()};
    RETURN_IF_ERROR(mend(id, tile_bytes(hashes), recovery));
  }
  ASSIGN_OR_RETURN(const Digest root, ledger_.root_at(size));
  if (edge.root() != root) return forked(size);
  edge_ = std::move(edge);
  return recovery;
}

Status Integration::write_partials(const TileEdge& edge) {
  for (unsigned level = 0; level < edge.levels().size(); ++level) {
    const std::vector<Digest>& hashes = edge.levels()[level];
    if (hashes.empty()) continue;
    const TileId id{Kind::Hashes, level, edge.size() >> ((level + 1) * kTileHeight), hashes.size()};
    RETURN_IF_ERROR(folder_.write(id, tile_bytes(hashes)));
  }
  return ok();
}

Status Integration::extend(std::uint64_t size) {
  TileEdge edge = edge_;
  std::vector<TileId> completed;
  while (edge.size() < size) {
    // A bundle begins at its tile's first entry, also where a part of it was published before.
    const std::uint64_t first = edge.size() / kTileWidth * kTileWidth;
    const auto count = static_cast<std::size_t>(std::min(kTileWidth, size - first));
    ASSIGN_OR_RETURN(const std::vector<Digest> hashes, ledger_.hashes(first, count));
    ASSIGN_OR_RETURN(const std::vector<std::string> leaves, leaves_of(first, count, hashes));
    ASSIGN_OR_RETURN(const std::string bundle, bundle_bytes(leaves));
    const TileId entries{Kind::Entries, 0, first / kTileWidth, count};
    RETURN_IF_ERROR(folder_.write(entries, bundle));
    if (!entries.partial()) completed.push_back(entries);
    for (std::size_t i = edge.size() - first; i < count; ++i) {
      for (const TileEdge::FullTile& tile : edge.append(hashes[i])) {
        const TileId id{Kind::Hashes, tile.level, tile.index, kTileWidth};
        RETURN_IF_ERROR(folder_.write(id, tile_bytes(tile.hashes)));
        completed.push_back(id);
      }
    }
  }
  RETURN_IF_ERROR(write_partials(edge));
  ASSIGN_OR_RETURN(const Digest root, ledger_.root_at(size));
  if (edge.root() != root) return forked(size);
  edge_ = std::move(edge);
  // Only now: who still reads by the checkpoint before finds the full tile in their place.
  for (const TileId& id : completed) folder_.drop_partials(id);
  return ok();
}

}  // namespace countersign::log
