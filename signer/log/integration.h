// From the ledger's leaves to tiles: what the ledger holds and the files do not yet. The files lag, and never lead.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "common/digest.h"
#include "common/result.h"
#include "signer/log/log_folder.h"
#include "signer/log/tile.h"

namespace countersign::log {

// The leaves of the ledger, in its order.
class LeafSource {
 public:
  virtual ~LeafSource() = default;
  virtual std::uint64_t size() const = 0;
  // At most `limit` leaves from `first` on: the bytes whose hashes stand in the tree.
  virtual Result<std::vector<std::string>> leaves(std::uint64_t first, std::size_t limit) const = 0;
  virtual Result<std::vector<Digest>> hashes(std::uint64_t first, std::size_t limit) const = 0;
  virtual Result<Digest> root_at(std::uint64_t size) const = 0;
  // The root of the complete subtree over the leaves [index << level, (index + 1) << level).
  virtual Result<Digest> node(unsigned level, std::uint64_t index) const = 0;
};

class Integration {
 public:
  // Both outlive this.
  Integration(LogFolder& folder, const LeafSource& ledger) : folder_(folder), ledger_(ledger) {}

  // What a start found.
  struct Recovery {
    std::uint64_t size = 0;    // that the files cover
    std::uint64_t mended = 0;  // files that were missing or wrong and were written again
  };
  // Compares the files of the first `size` leaves from leaf `checked` on, hash by hash with the ledger, and writes
  // again what is missing or wrong. Fails with Refused, reason "log_forked", where the root over the files' own hashes
  // is not the ledger's.
  Result<Recovery> recover(std::uint64_t size, std::uint64_t checked);

  // Writes the tiles and bundles that a tree of `size` leaves has and the present one has not, the partial ones last.
  // On failure nothing counts as written; the next call begins where this one did. Fails as recover does, and with
  // Unavailable.
  Status extend(std::uint64_t size);

  std::uint64_t size() const { return edge_.size(); }
  Digest root() const { return edge_.root(); }

 private:
  // The edge of the tree of `size` leaves, a multiple of kTileWidth, from the ledger's own nodes.
  Result<TileEdge> edge_at(std::uint64_t size) const;
  Status mend(const TileId& id, const std::string& bytes, Recovery& recovery);
  Status write_partials(const TileEdge& edge);
  // The leaves of one tile's range, checked against their hashes.
  Result<std::vector<std::string>> leaves_of(std::uint64_t first, std::size_t count,
                                             const std::vector<Digest>& hashes) const;

  LogFolder& folder_;
  const LeafSource& ledger_;
  TileEdge edge_;
};

}  // namespace countersign::log
