// Older bundles of a log moved out of its folder: what proofs need stays, and what goes is proven before and after.
#pragma once

#include <cstdint>
#include <string>

#include "common/clock.h"
#include "common/digest.h"
#include "common/result.h"
#include "signer/log/checkpoint.h"
#include "signer/log/tile_source.h"

namespace countersign::log {

struct ArchiveReport {
  std::uint64_t below = 0;    // records whose bundles were to go
  std::uint64_t bundles = 0;  // that went now
  std::uint64_t bytes = 0;    // of them and of the history
  std::uint64_t days = 0;     // of history that went now
};

class Archive {
 public:
  // The log in `log`, whose checkpoint was trusted; `folder` has the names of the log and is made where it is missing.
  Archive(std::string log, const Checkpoint& checkpoint, std::string folder)
      : log_(std::move(log)), checkpoint_(checkpoint), archive_(std::move(folder)) {}

  // How many of the first records were all made before `moment`, in whole bundles. Bundles that were archived before
  // are read there. Fails as the files do.
  Result<std::uint64_t> made_before(UtcTime moment) const;

  // Moves the full bundles that end at or below record `below`: proves that tiles lead to the checkpoint's root and
  // each bundle to its tile, copies, syncs, proves what now lies in the archive, and only then removes the log's own.
  // Ended at any moment, it leaves each bundle in one of the two places at least; the same call goes on. Fails with
  // VerificationFailed, reason "log_damaged"; with Conflict, reason "archive_differs", where the archive holds another
  // bundle of that name; with NotFound where a bundle is in neither place.
  Status move_bundles(std::uint64_t below, ArchiveReport& report) const;

  // The same of the lines of history/ of the days before `day` ("2026-11-27").
  Status move_history(const std::string& day, ArchiveReport& report) const;

 private:
  Status check_bundle(const FolderSource& where, const TileId& id) const;
  Status put(const std::string& path, const std::string& bytes) const;

  FolderSource log_;
  Checkpoint checkpoint_;
  FolderSource archive_;
};

}  // namespace countersign::log
