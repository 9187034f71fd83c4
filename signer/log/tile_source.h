// Where tiles and checkpoints are read from: a folder, the signer's socket, a mirror.
#pragma once

#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "common/digest.h"
#include "common/result.h"
#include "signer/log/merkle_tree.h"
#include "signer/log/tile.h"

namespace countersign::log {

class TileSource {
 public:
  virtual ~TileSource() = default;
  // The bytes at "checkpoint" or "tile/…". Fails with NotFound, Unavailable.
  virtual Result<std::string> read(const std::string& path) const = 0;
  // An entry whose bundle is not there any more, where it can be had by itself. Nothing says that it is the log's until
  // its hash is proven. Fails with NotFound, Unavailable.
  virtual Result<std::string> entry(std::uint64_t index) const;
};

// A folder as the signer writes it, or a copy of one. Without a checkpoint: NotFound, reason "log_checkpoint_missing".
class FolderSource : public TileSource {
 public:
  explicit FolderSource(std::string folder) : folder_(std::move(folder)) {}
  Result<std::string> read(const std::string& path) const override;
  const std::string& folder() const { return folder_; }

 private:
  std::string folder_;
};

// A log whose older bundles lie in an archive, a folder of the same names.
class ArchivedSource : public TileSource {
 public:
  ArchivedSource(std::unique_ptr<TileSource> log, std::string archive)
      : log_(std::move(log)), archive_(std::move(archive)) {}
  Result<std::string> read(const std::string& path) const override;
  Result<std::string> entry(std::uint64_t index) const override { return log_->entry(index); }

 private:
  std::unique_ptr<TileSource> log_;
  FolderSource archive_;
};

// The hashes of tile `id`, or their beginning where only the full tile is there. Fails with Invalid on a torn one.
Result<std::vector<Digest>> read_tile(const TileSource& source, const TileId& id);
// The same of an entry bundle.
Result<std::vector<std::string>> read_bundle(const TileSource& source, const TileId& id);

// The tree of `size` leaves as its tiles give it. Nothing is believed: what is proven from them is proven against a
// checkpoint.
class TileNodes : public NodeReader {
 public:
  TileNodes(const TileSource& source, std::uint64_t size) : source_(source), size_(size) {}
  Result<Digest> node(unsigned level, std::uint64_t index) const override;
  // Takes these hashes for the tile instead of reading it: what is proven then is proven of them.
  void keep(const TileId& id, std::vector<Digest> hashes) { keep_at({id.level, id.index}, std::move(hashes)); }

 private:
  Result<const std::vector<Digest>*> tile(const TileId& id) const;

  using Key = std::pair<unsigned, std::uint64_t>;
  const std::vector<Digest>* keep_at(const Key& key, std::vector<Digest> hashes) const;

  const TileSource& source_;
  std::uint64_t size_;
  mutable std::map<Key, std::vector<Digest>> kept_;
  mutable std::list<Key> order_;  // of kept_, oldest first
};

}  // namespace countersign::log
