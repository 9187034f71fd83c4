#include "signer/log/tile_source.h"

#include "common/durable_file.h"

namespace countersign::log {
namespace {

constexpr std::size_t kLongestFile = std::size_t{32} << 20;  // a bundle of 256 of the longest entries
constexpr std::size_t kTilesKept = 64;

// What `id` should hold: itself, or of a partial tile the full one that took its place.
Result<std::string> read_either(const TileSource& source, const TileId& id, TileId& found) {
  found = id;
  Result<std::string> bytes = source.read(id.path());
  if (bytes || !id.partial() || bytes.error().code != ErrorCode::NotFound) return bytes;
  Result<std::string> whole = source.read(id.full().path());
  if (!whole && whole.error().code == ErrorCode::NotFound) return bytes;
  found = id.full();
  return whole;
}

Error in_file(const TileId& id, Error error) {
  error.detail = id.path() + ": " + error.detail;
  return error;
}

}  // namespace

Result<std::string> TileSource::entry(std::uint64_t index) const {
  return Error{ErrorCode::NotFound, "the bundle of record " + std::to_string(index) + " is not there", "bundle_absent",
               "Where it was archived, name the archive: --archive DIR."};
}

Result<std::string> ArchivedSource::read(const std::string& path) const {
  Result<std::string> bytes = log_->read(path);
  if (bytes || bytes.error().code != ErrorCode::NotFound || !path.starts_with("tile/entries/")) return bytes;
  Result<std::string> archived = archive_.read(path);
  return archived || archived.error().code != ErrorCode::NotFound ? archived : bytes;
}

Result<std::string> FolderSource::read(const std::string& path) const {
  Result<std::string> text = read_file(folder_ + "/" + path, kLongestFile);
  if (text || path != "checkpoint" || text.error().code != ErrorCode::NotFound) return text;
  return Error{ErrorCode::NotFound, folder_ + " has no checkpoint: it is no log's folder, or nothing was published yet",
               "log_checkpoint_missing",
               "A log's folder is the one that log.directory of the configuration names, or a copy of it."};
}

Result<std::vector<Digest>> read_tile(const TileSource& source, const TileId& id) {
  TileId found;
  ASSIGN_OR_RETURN(const std::string bytes, read_either(source, id, found));
  Result<std::vector<Digest>> hashes = parse_tile(bytes, found.width);
  if (!hashes) return in_file(found, hashes.error());
  hashes->resize(id.width);
  return hashes;
}

Result<std::vector<std::string>> read_bundle(const TileSource& source, const TileId& id) {
  TileId found;
  ASSIGN_OR_RETURN(const std::string bytes, read_either(source, id, found));
  Result<std::vector<std::string>> entries = parse_bundle(bytes, found.width);
  if (!entries) return in_file(found, entries.error());
  entries->resize(id.width);
  return entries;
}

Result<const std::vector<Digest>*> TileNodes::tile(const TileId& id) const {
  const Key key{id.level, id.index};
  if (const auto kept = kept_.find(key); kept != kept_.end()) return &kept->second;
  ASSIGN_OR_RETURN(std::vector<Digest> hashes, read_tile(source_, id));
  return keep_at(key, std::move(hashes));
}

const std::vector<Digest>* TileNodes::keep_at(const Key& key, std::vector<Digest> hashes) const {
  if (order_.size() == kTilesKept) {
    kept_.erase(order_.front());
    order_.pop_front();
  }
  order_.push_back(key);
  return &kept_.insert_or_assign(key, std::move(hashes)).first->second;
}

Result<Digest> TileNodes::node(unsigned level, std::uint64_t index) const {
  const unsigned tile_level = level / kTileHeight;
  const unsigned within = level % kTileHeight;
  const std::uint64_t first = index << within;
  const std::uint64_t count = std::uint64_t{1} << within;
  const TileId id = tile_holding(TileId::Kind::Hashes, tile_level, first, size_);
  ASSIGN_OR_RETURN(const std::vector<Digest>* hashes, tile(id));
  const std::uint64_t at = first % kTileWidth;
  if (at + count > hashes->size()) {
    return Error{ErrorCode::NotFound, id.path() + " does not hold hash " + std::to_string(first), "tile_damaged"};
  }
  Frontier frontier;
  for (std::uint64_t i = at; i < at + count; ++i) frontier.append((*hashes)[i]);
  return frontier.root();
}

}  // namespace countersign::log
