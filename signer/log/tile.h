// Tiles (C2SP tlog-tiles): the tree and its entries as plain files of 256 hashes or entries each, named so that any
// static server can serve them.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/digest.h"
#include "common/result.h"

namespace countersign::log {

inline constexpr unsigned kTileHeight = 8;
inline constexpr std::uint64_t kTileWidth = std::uint64_t{1} << kTileHeight;

struct TileId {
  // Hashes of one level, or the entries below level 0.
  enum class Kind { Hashes, Entries };
  Kind kind = Kind::Hashes;
  unsigned level = 0;       // in tiles: hash i of level L is the root of 256^L leaves; 0 for entries
  std::uint64_t index = 0;  // of the tile in its level
  std::uint64_t width = 1;  // 1 to 256; below 256 the tile is partial
  bool operator==(const TileId&) const = default;

  bool partial() const { return width < kTileWidth; }
  TileId full() const { return {kind, level, index, kTileWidth}; }

  // "tile/0/x001/x234/067.p/12", "tile/entries/000".
  std::string path() const;
  // Fails with NotFound on anything that path() does not make: what is asked for is a name of a file.
  static Result<TileId> parse(std::string_view path);
};

// The tile that hash `index` of tile level `level` lies in, for a tree of `size` leaves. Precondition: it is in the
// tree.
TileId tile_holding(TileId::Kind kind, unsigned level, std::uint64_t index, std::uint64_t size);

std::string tile_bytes(std::span<const Digest> hashes);
// Fails with Invalid unless `bytes` are `width` hashes.
Result<std::vector<Digest>> parse_tile(std::string_view bytes, std::uint64_t width);

// Each entry behind its length, big-endian, two bytes. Fails with TooLarge for an entry of more than 65,535 bytes.
Result<std::string> bundle_bytes(std::span<const std::string> entries);
// Fails with Invalid unless `bytes` are `width` entries.
Result<std::vector<std::string>> parse_bundle(std::string_view bytes, std::uint64_t width);

// The right edge of a tree: the hashes of the last, partial tile of each level. Enough to append, to know the root, and
// to say which tiles are complete.
class TileEdge {
 public:
  struct FullTile {
    unsigned level = 0;
    std::uint64_t index = 0;
    std::vector<Digest> hashes;
  };

  TileEdge() = default;
  // `levels` as levels() gave them. Fails with Invalid unless each holds as many hashes as a tree of `size` has there.
  static Result<TileEdge> of(std::uint64_t size, std::vector<std::vector<Digest>> levels);

  // Gives the tiles that the leaf completes, lowest first.
  std::vector<FullTile> append(const Digest& leaf_hash);

  std::uint64_t size() const { return size_; }
  Digest root() const;
  const std::vector<std::vector<Digest>>& levels() const { return levels_; }

 private:
  std::uint64_t size_ = 0;
  std::vector<std::vector<Digest>> levels_;
};

// How many levels of tiles a tree of `size` leaves has, and how wide the partial one of a level is (0: none).
unsigned tile_levels(std::uint64_t size);
std::uint64_t partial_width(std::uint64_t size, unsigned level);

}  // namespace countersign::log
