#include "signer/log/tile_check.h"

#include <algorithm>
#include <filesystem>

#include "signer/log/merkle_tree.h"

namespace countersign::log {
namespace {

using Kind = TileId::Kind;

constexpr std::size_t kMostFindings = 1000;  // more are one disaster

class Check {
 public:
  Check(const TileSource& source, std::uint64_t size, const TileCheckOptions& options)
      : source_(source), size_(size), options_(options) {}

  TileCheckReport run(const Digest& root) {
    while (edge_.size() < size_) {
      const std::uint64_t first = edge_.size();
      const std::uint64_t count = std::min(kTileWidth, size_ - first);
      check_range(first, count);
      if (options_.progress) options_.progress(edge_.size(), size_);
    }
    for (unsigned level = 1; level < edge_.levels().size(); ++level) {
      const std::vector<Digest>& hashes = edge_.levels()[level];
      if (hashes.empty()) continue;
      compare({Kind::Hashes, level, size_ >> ((level + 1) * kTileHeight), hashes.size()}, hashes);
    }
    report_.entries = size_;
    report_.root = edge_.root();
    if (report_.root != root) {
      note("checkpoint", "its root is not the root over the " + std::to_string(size_) + " entries it covers");
    }
    return std::move(report_);
  }

 private:
  void note(std::string path, std::string what) {
    if (report_.findings.size() < kMostFindings) report_.findings.push_back({std::move(path), std::move(what)});
  }

  static std::string said(const Error& error) {
    return error.code == ErrorCode::NotFound ? "is missing" : "does not read: " + error.detail;
  }

  // One tile of level 0 and its bundle. The tree goes on with what the entries say where they are there.
  void check_range(std::uint64_t first, std::uint64_t count) {
    const TileId tile_id{Kind::Hashes, 0, first / kTileWidth, count};
    const TileId bundle_id{Kind::Entries, 0, first / kTileWidth, count};
    const Result<std::vector<Digest>> tile = read_tile(source_, tile_id);
    if (!tile) note(tile_id.path(), said(tile.error()));
    std::vector<Digest> hashes = options_.entries ? of_entries(bundle_id, first) : std::vector<Digest>();
    if (hashes.empty()) {
      hashes = tile ? *tile : std::vector<Digest>(count);
    } else if (tile) {
      const auto [mine, theirs] = std::mismatch(hashes.begin(), hashes.end(), tile->begin());
      if (mine != hashes.end()) {
        note(tile_id.path(), "holds another hash than that of entry " +
                                 std::to_string(first + static_cast<std::uint64_t>(mine - hashes.begin())));
      }
    }
    for (const Digest& hash : hashes) {
      for (const TileEdge::FullTile& full : edge_.append(hash)) {
        if (full.level > 0) compare({Kind::Hashes, full.level, full.index, kTileWidth}, full.hashes);
      }
    }
  }

  std::vector<Digest> of_entries(const TileId& id, std::uint64_t first) {
    const Result<std::vector<std::string>> entries = read_bundle(source_, id);
    if (!entries) {
      const bool archived =
          entries.error().code == ErrorCode::NotFound && !id.partial() && first + kTileWidth <= options_.archived_below;
      if (archived) {
        ++report_.bundles_absent;
      } else {
        note(id.path(), said(entries.error()));
      }
      return {};
    }
    std::vector<Digest> hashes;
    hashes.reserve(entries->size());
    for (const std::string& entry : *entries) {
      if (options_.entry) options_.entry(first + hashes.size(), entry);
      hashes.push_back(leaf_hash(view_of(entry)));
    }
    return hashes;
  }

  void compare(const TileId& id, const std::vector<Digest>& hashes) {
    const Result<std::vector<Digest>> tile = read_tile(source_, id);
    if (!tile) return note(id.path(), said(tile.error()));
    const auto [mine, theirs] = std::mismatch(hashes.begin(), hashes.end(), tile->begin());
    if (mine != hashes.end()) {
      note(id.path(), "holds another hash than that of tile " +
                          std::to_string(id.index * kTileWidth + static_cast<std::uint64_t>(mine - hashes.begin())) +
                          " below");
    }
  }

  const TileSource& source_;
  std::uint64_t size_;
  const TileCheckOptions& options_;
  TileEdge edge_;
  TileCheckReport report_;
};

// Whether a tree of `size` leaves has, or a smaller one had, that tile.
bool belongs(const TileId& id, std::uint64_t size) {
  const unsigned shift = id.level * kTileHeight;
  const std::uint64_t hashes = shift >= 64 ? 0 : size >> shift;
  return id.index * kTileWidth + id.width <= hashes;
}

}  // namespace

TileCheckReport check_tiles(const TileSource& source, std::uint64_t size, const Digest& root,
                            const TileCheckOptions& options) {
  return Check(source, size, options).run(root);
}

std::vector<FileFinding> stray_files(const FolderSource& folder, std::uint64_t size) {
  namespace fs = std::filesystem;
  std::vector<FileFinding> found;
  std::error_code error;
  for (fs::recursive_directory_iterator it(folder.folder() + "/tile", error), end; !error && it != end;
       it.increment(error)) {
    if (it->is_directory() && !it->is_symlink()) continue;
    const std::string path = fs::relative(it->path(), folder.folder(), error).string();
    const Result<TileId> id = TileId::parse(path);
    if (!id) {
      found.push_back({path, "is no file of a log"});
      continue;
    }
    // Tiles beyond the checkpoint are there between writing and publishing, and after a crash in between.
    if (!id->partial() || !belongs(*id, size)) continue;
    const Result<std::string> part = folder.read(path);
    const TileId holding = id->kind == Kind::Entries
                               ? tile_holding(Kind::Entries, 0, id->index * kTileWidth, size)
                               : tile_holding(Kind::Hashes, id->level, id->index * kTileWidth, size);
    const Result<std::string> whole = folder.read(holding.path());
    if (!part) {
      found.push_back({path, "does not read: " + part.error().detail});
    } else if (whole && !whole->starts_with(*part)) {
      found.push_back({path, "is not the beginning of " + holding.path()});
    }
  }
  std::ranges::sort(found, {}, &FileFinding::path);
  return found;
}

}  // namespace countersign::log
