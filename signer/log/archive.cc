#include "signer/log/archive.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <vector>

#include "common/durable_file.h"
#include "common/json.h"
#include "signer/log/merkle_tree.h"
#include "signer/log/tile_check.h"

namespace countersign::log {
namespace {

namespace fs = std::filesystem;
using Kind = TileId::Kind;

constexpr mode_t kFileMode = 0644;
// A day of history at two checkpoints a second is some 45 MB.
constexpr std::size_t kLongestFile = std::size_t{1} << 28;

Result<std::string> whole(const FolderSource& folder, const std::string& path) {
  return read_file(folder.folder() + "/" + path, kLongestFile);
}

TileId bundle_at(std::uint64_t first) {
  return {Kind::Entries, 0, first / kTileWidth, kTileWidth};
}

Error damaged(const std::string& path, const std::string& what) {
  return Error{ErrorCode::VerificationFailed, path + " " + what, "log_damaged",
               "Nothing was removed. `countersign log fsck` names all files that are damaged."};
}

Result<bool> made_before_all(const std::vector<std::string>& entries, UtcTime moment) {
  for (const std::string& entry : entries) {
    ASSIGN_OR_RETURN(const Json leaf, Json::parse(entry));
    ASSIGN_OR_RETURN(const UtcTime at, UtcTime::parse(leaf.text("at")));
    if (!(at < moment)) return false;
  }
  return true;
}

Status remove(const std::string& path) {
  if (::unlink(path.c_str()) == 0 || errno == ENOENT) return ok();
  return Error{ErrorCode::Unavailable, "cannot remove " + path + ": " + std::strerror(errno), "log_unwritable"};
}

// "2026-11-27.jsonl", in the order of days.
std::vector<std::string> days_in(const std::string& folder) {
  std::vector<std::string> names;
  std::error_code error;
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    if (it->path().extension() == ".jsonl") names.push_back(it->path().filename().string());
  }
  std::ranges::sort(names);
  return names;
}

}  // namespace

Result<std::uint64_t> Archive::made_before(UtcTime moment) const {
  std::uint64_t below = 0;
  for (; below + kTileWidth <= checkpoint_.size; below += kTileWidth) {
    Result<std::vector<std::string>> entries = read_bundle(log_, bundle_at(below));
    if (!entries && entries.error().code == ErrorCode::NotFound) entries = read_bundle(archive_, bundle_at(below));
    if (!entries) return entries.error();
    ASSIGN_OR_RETURN(const bool before, made_before_all(*entries, moment));
    if (!before) break;
  }
  return below;
}

Status Archive::check_bundle(const FolderSource& where, const TileId& id) const {
  ASSIGN_OR_RETURN(const std::vector<std::string> entries, read_bundle(where, id));
  ASSIGN_OR_RETURN(const std::vector<Digest> hashes, read_tile(log_, {Kind::Hashes, 0, id.index, kTileWidth}));
  for (std::size_t i = 0; i < kTileWidth; ++i) {
    if (leaf_hash(view_of(entries[i])) != hashes[i]) {
      return damaged(where.folder() + "/" + id.path(), "holds another entry than its tile says");
    }
  }
  return ok();
}

Status Archive::put(const std::string& path, const std::string& bytes) const {
  const Result<std::string> there = whole(archive_, path);
  if (there && *there == bytes) return ok();
  if (there) {
    return Error{ErrorCode::Conflict, archive_.folder() + "/" + path + " is another file than the log's",
                 "archive_differs", "Name an archive of this log. Nothing was removed."};
  }
  if (there.error().code != ErrorCode::NotFound) return there.error();
  return write_durable(archive_.folder() + "/" + path, bytes, kFileMode);
}

Status Archive::move_bundles(std::uint64_t below, ArchiveReport& report) const {
  report.below = std::min(below, checkpoint_.size) / kTileWidth * kTileWidth;
  TileCheckOptions tiles;
  tiles.entries = false;
  const TileCheckReport check = check_tiles(log_, checkpoint_.size, checkpoint_.root, tiles);
  if (!check.findings.empty()) return damaged(check.findings.front().path, check.findings.front().what);
  std::vector<TileId> moved;
  for (std::uint64_t first = 0; first < report.below; first += kTileWidth) {
    const TileId id = bundle_at(first);
    const Result<std::string> bytes = log_.read(id.path());
    if (!bytes && bytes.error().code == ErrorCode::NotFound) {
      RETURN_IF_ERROR(check_bundle(archive_, id));
      continue;
    }
    if (!bytes) return bytes.error();
    RETURN_IF_ERROR(check_bundle(log_, id));
    RETURN_IF_ERROR(put(id.path(), *bytes));
    report.bytes += bytes->size();
    moved.push_back(id);
  }
  for (const TileId& id : moved) RETURN_IF_ERROR(check_bundle(archive_, id));
  for (const TileId& id : moved) RETURN_IF_ERROR(remove(log_.folder() + "/" + id.path()));
  report.bundles = moved.size();
  return ok();
}

Status Archive::move_history(const std::string& day, ArchiveReport& report) const {
  for (const std::string& name : days_in(log_.folder() + "/history")) {
    if (name.substr(0, day.size()) >= day) break;
    const std::string path = "history/" + name;
    ASSIGN_OR_RETURN(const std::string bytes, whole(log_, path));
    RETURN_IF_ERROR(put(path, bytes));
    ASSIGN_OR_RETURN(const std::string kept, whole(archive_, path));
    if (kept != bytes) return damaged(archive_.folder() + "/" + path, "does not read as it was written");
    RETURN_IF_ERROR(remove(log_.folder() + "/" + path));
    report.bytes += bytes.size();
    ++report.days;
  }
  return ok();
}

}  // namespace countersign::log
