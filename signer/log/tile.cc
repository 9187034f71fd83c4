#include "signer/log/tile.h"

#include <charconv>
#include <utility>

#include "signer/log/merkle_tree.h"

namespace countersign::log {
namespace {

constexpr std::string_view kRoot = "tile/";
constexpr std::string_view kEntries = "entries";
constexpr unsigned kMostLevels = 63;
constexpr std::size_t kLengthBytes = 2;
constexpr std::size_t kLongestEntry = 0xffff;

Error no_tile(std::string_view path) {
  return Error{ErrorCode::NotFound, "\"" + std::string(path) + "\" names no tile", "tile_unknown",
               "tile/L/N, tile/L/N.p/W, tile/entries/N or tile/entries/N.p/W (C2SP tlog-tiles)."};
}

Error broken(const char* what) {
  return Error{ErrorCode::Invalid, what, "tile_damaged"};
}

std::optional<std::uint64_t> decimal(std::string_view text) {
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  if (text.size() > 1 && text.front() == '0') return std::nullopt;
  return number;
}

// "x001/x234/067" → 1234067.
std::optional<std::uint64_t> index_in(std::string_view text) {
  constexpr std::uint64_t kLargest = std::uint64_t{1} << 56;
  std::uint64_t index = 0;
  bool first = true;
  while (true) {
    const std::size_t slash = text.find('/');
    std::string_view group = text.substr(0, slash);
    const bool last = slash == std::string_view::npos;
    if (!last) {
      if (!group.starts_with('x')) return std::nullopt;
      group.remove_prefix(1);
    }
    if (group.size() != 3) return std::nullopt;
    std::uint64_t value = 0;
    for (const char c : group) {
      if (c < '0' || c > '9') return std::nullopt;
      value = value * 10 + static_cast<std::uint64_t>(c - '0');
    }
    // One index has one name.
    if (first && !last && value == 0) return std::nullopt;
    index = index * 1000 + value;
    if (index > kLargest) return std::nullopt;
    if (last) return index;
    text.remove_prefix(slash + 1);
    first = false;
  }
}

std::string index_text(std::uint64_t index) {
  std::string out;
  bool last = true;
  do {
    std::string group = std::to_string(index % 1000);
    group.insert(0, 3 - group.size(), '0');
    out.insert(0, last ? group : "x" + group + "/");
    last = false;
    index /= 1000;
  } while (index > 0);
  return out;
}

}  // namespace

std::string TileId::path() const {
  std::string out(kRoot);
  out += kind == Kind::Entries ? std::string(kEntries) : std::to_string(level);
  out += "/" + index_text(index);
  if (partial()) out += ".p/" + std::to_string(width);
  return out;
}

Result<TileId> TileId::parse(std::string_view path) {
  if (!path.starts_with(kRoot)) return no_tile(path);
  std::string_view rest = path.substr(kRoot.size());
  const std::size_t slash = rest.find('/');
  if (slash == std::string_view::npos) return no_tile(path);
  TileId id;
  const std::string_view level = rest.substr(0, slash);
  if (level == kEntries) {
    id.kind = Kind::Entries;
  } else {
    const std::optional<std::uint64_t> number = decimal(level);
    if (!number || *number > kMostLevels) return no_tile(path);
    id.level = static_cast<unsigned>(*number);
  }
  rest.remove_prefix(slash + 1);
  id.width = kTileWidth;
  if (const std::size_t partial = rest.find(".p/"); partial != std::string_view::npos) {
    const std::optional<std::uint64_t> width = decimal(rest.substr(partial + 3));
    if (!width || *width == 0 || *width >= kTileWidth) return no_tile(path);
    id.width = *width;
    rest = rest.substr(0, partial);
  }
  const std::optional<std::uint64_t> index = index_in(rest);
  if (!index) return no_tile(path);
  id.index = *index;
  return id;
}

TileId tile_holding(TileId::Kind kind, unsigned level, std::uint64_t index, std::uint64_t size) {
  const std::uint64_t tile = index / kTileWidth;
  const std::uint64_t hashes = level * kTileHeight >= 64 ? 0 : size >> (level * kTileHeight);
  const std::uint64_t width = (tile + 1) * kTileWidth <= hashes ? kTileWidth : hashes - tile * kTileWidth;
  return {kind, level, tile, width};
}

std::string tile_bytes(std::span<const Digest> hashes) {
  std::string out;
  out.reserve(hashes.size() * Digest::kSize);
  for (const Digest& hash : hashes) out += text_of(hash.bytes());
  return out;
}

Result<std::vector<Digest>> parse_tile(std::string_view bytes, std::uint64_t width) {
  if (bytes.size() != width * Digest::kSize) return broken("the tile has another length than its hashes");
  std::vector<Digest> hashes;
  hashes.reserve(width);
  for (std::size_t at = 0; at < bytes.size(); at += Digest::kSize) {
    hashes.push_back(*Digest::from_bytes(view_of(bytes.substr(at, Digest::kSize))));
  }
  return hashes;
}

Result<std::string> bundle_bytes(std::span<const std::string> entries) {
  std::string out;
  for (const std::string& entry : entries) {
    if (entry.size() > kLongestEntry) {
      return Error{ErrorCode::TooLarge, "an entry of the log has at most 65,535 bytes", "entry_too_large"};
    }
    out.push_back(static_cast<char>(entry.size() >> 8));
    out.push_back(static_cast<char>(entry.size() & 0xff));
    out += entry;
  }
  return out;
}

Result<std::vector<std::string>> parse_bundle(std::string_view bytes, std::uint64_t width) {
  std::vector<std::string> entries;
  while (!bytes.empty()) {
    if (bytes.size() < kLengthBytes) return broken("the entry bundle ends inside a length");
    const std::size_t length =
        (static_cast<std::size_t>(static_cast<unsigned char>(bytes[0])) << 8) | static_cast<unsigned char>(bytes[1]);
    bytes.remove_prefix(kLengthBytes);
    if (bytes.size() < length) return broken("the entry bundle ends inside an entry");
    entries.emplace_back(bytes.substr(0, length));
    bytes.remove_prefix(length);
  }
  if (entries.size() != width) return broken("the entry bundle holds another number of entries");
  return entries;
}

Result<TileEdge> TileEdge::of(std::uint64_t size, std::vector<std::vector<Digest>> levels) {
  if (levels.size() != tile_levels(size)) return broken("the edge of the tree has another number of levels");
  for (unsigned level = 0; level < levels.size(); ++level) {
    if (levels[level].size() != partial_width(size, level)) return broken("the edge of the tree has another width");
  }
  TileEdge edge;
  edge.size_ = size;
  edge.levels_ = std::move(levels);
  return edge;
}

std::vector<TileEdge::FullTile> TileEdge::append(const Digest& leaf_hash) {
  std::vector<FullTile> completed;
  Digest hash = leaf_hash;
  for (unsigned level = 0;; ++level) {
    if (level == levels_.size()) levels_.emplace_back();
    levels_[level].push_back(hash);
    if (levels_[level].size() < kTileWidth) break;
    Frontier frontier;
    for (const Digest& each : levels_[level]) frontier.append(each);
    hash = frontier.root();
    completed.push_back({level, size_ >> ((level + 1) * kTileHeight), std::exchange(levels_[level], {})});
  }
  ++size_;
  return completed;
}

Digest TileEdge::root() const {
  std::vector<Digest> subtrees;
  for (std::size_t level = levels_.size(); level-- > 0;) {
    Frontier frontier;
    for (const Digest& hash : levels_[level]) frontier.append(hash);
    subtrees.insert(subtrees.end(), frontier.subtrees().begin(), frontier.subtrees().end());
  }
  if (subtrees.empty()) return empty_root();
  Digest root = subtrees.back();
  for (std::size_t i = subtrees.size() - 1; i-- > 0;) root = node_hash(subtrees[i], root);
  return root;
}

unsigned tile_levels(std::uint64_t size) {
  unsigned levels = 0;
  for (; size > 0; size >>= kTileHeight) ++levels;
  return levels;
}

std::uint64_t partial_width(std::uint64_t size, unsigned level) {
  return (size >> (level * kTileHeight)) % kTileWidth;
}

}  // namespace countersign::log
