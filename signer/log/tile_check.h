// fsck of a log's files: every entry hashed, every tile made again from the level below, the root compared with the
// checkpoint. Needs nothing but the files.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "common/digest.h"
#include "common/result.h"
#include "signer/log/tile_source.h"

namespace countersign::log {

struct FileFinding {
  std::string path;  // within the log
  std::string what;  // "is missing", "holds another hash of entry 12", …
};

struct TileCheckReport {
  std::uint64_t entries = 0;
  std::uint64_t bundles_absent = 0;  // below `archived_below`, so allowed
  Digest root;                       // over the entries, or over the tiles' hashes where a bundle is archived
  std::vector<FileFinding> findings;
};

struct TileCheckOptions {
  std::uint64_t archived_below = 0;  // entry bundles that end at or below it may be absent
  bool entries = true;               // hash the entries too, not the tiles alone
  // Entries done, of how many.
  std::function<void(std::uint64_t, std::uint64_t)> progress = {};
  // Called for every entry in order, where its bundle is there.
  std::function<void(std::uint64_t index, const std::string& entry)> entry = {};
};

// Goes through the tree of `size` entries whose root should be `root`. What differs is a finding, never a failure.
TileCheckReport check_tiles(const TileSource& source, std::uint64_t size, const Digest& root,
                            const TileCheckOptions& options = {});

// Files under FOLDER/tile that no tree of `size` entries has, and partial tiles that are not the beginning of theirs.
std::vector<FileFinding> stray_files(const FolderSource& folder, std::uint64_t size);

}  // namespace countersign::log
