// The log as files: tiles, bundles and the checkpoint, written by one process at a time. All of it can be made again
// from the ledger, which is the only commit point; so tiles are not synced one by one, and what a power failure tore is
// found by its hashes and written again.
//
//   checkpoint            the newest signed note
//   tile/…                C2SP tlog-tiles
//   history/DAY.jsonl     every checkpoint that was published, a line each: the log's own signatures stand beside the
//                         tree, not in it
//   lock, tmp/            of the writer
#pragma once

#include <optional>
#include <string>

#include "common/json.h"
#include "common/locked_file.h"
#include "common/result.h"
#include "signer/log/tile.h"
#include "signer/log/tile_source.h"

namespace countersign::log {

class LogFolder {
 public:
  // Makes the folder where it is missing (0755: what it holds is public), takes its lock and removes what a killed
  // writer left half written. Fails with Conflict, reason "log_in_use", where another process writes there.
  static Result<LogFolder> open(const std::string& folder);

  const std::string& path() const { return source_.folder(); }
  const TileSource& source() const { return source_; }

  // Whole or not at all for a reader. Fails with Unavailable (disk full).
  Status write(const TileId& id, std::string_view bytes);
  // The partial tiles that a full one took the place of.
  void drop_partials(const TileId& full);

  // The newest published note; nothing before the first.
  Result<std::optional<std::string>> checkpoint() const;
  // Makes `note` the newest if the newest is still `expected` (compare and swap). Durable when it returns. Fails with
  // Conflict, reason "log_checkpoint_swapped", where something else stands there: nothing is written then.
  Status publish(const std::optional<std::string>& expected, std::string_view note);
  // A line of history; `day` is "2026-11-27".
  Status remember(const std::string& day, const Json& line);

  // Everything written so far reaches the disk, and that the files of the first `size` entries did is remembered.
  Status sync(std::uint64_t size);
  // As far as sync() got; 0 where that is not known.
  std::uint64_t synced() const;

 private:
  LogFolder(std::string folder, LockedFile lock) : source_(std::move(folder)), lock_(std::move(lock)) {}
  FolderSource source_;
  LockedFile lock_;
};

}  // namespace countersign::log
