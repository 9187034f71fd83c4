// A ledger as a file, for those who keep it: checking it, copying it while its appliance runs, putting a copy back.
// None of this writes to a ledger that is in use.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "common/clock.h"
#include "common/json.h"
#include "common/result.h"
#include "signer/ledger/anchor_check.h"
#include "signer/ledger/store.h"

namespace countersign::ledger {

// What is done at present, and how much of it: "records", "tables", "pages"; `all` may be 0.
using FileProgress = std::function<void(std::string_view doing, std::uint64_t done, std::uint64_t all)>;

struct FileReport {
  Verification verification;
  AnchorReport anchors;
};

// Checks a whole ledger, that of a running appliance too: each piece sees one state of it. `anchors` are compared as at
// start. Fails as SqliteStore::open does, but also reads a ledger of an older schema as it is.
Result<FileReport> verify_file(const std::string& path, const std::vector<AnchorReading>& anchors,
                               const FileProgress& progress = {});

// Compares the head of a ledger with anchors, and nothing else.
Result<AnchorReport> compare_file(const std::string& path, const std::vector<AnchorReading>& anchors);

struct RootReport {
  TreeHead head;
  Digest root;  // of as many records as were asked for
};

// The root over the first `size` records of a ledger, from its own tree: verify_file says whether that is the records'.
// Fails with NotFound where it has fewer.
Result<RootReport> root_in_file(const std::string& path, std::uint64_t size);

// Copies the ledger at `path` into the new file `to` (mode 0600): one state of it, also while the appliance runs;
// synced, checked whole, and only then called `to`. Fails with Conflict, reason "backup_exists", where there is
// something at `to`; as verify_file where the copy does not verify (it is removed then); with Unavailable, reason
// "ledger_full", where there is no space.
Result<FileReport> back_up(const std::string& path, const std::string& to, const std::vector<AnchorReading>& anchors,
                           const FileProgress& progress = {});

struct RestorePlan {
  std::string backup;  // a file that back_up made
  std::string ledger;  // where it goes; its folder exists
  std::vector<AnchorReading> anchors;
  bool accept_loss = false;  // go on although an anchor has more records than the backup
  std::string reason;        // for the record and the security owner; not empty
  std::uint32_t uid = 0;     // who restores
  // What verifiers were told of the keys last, where that is known.
  std::vector<keymgmt::PublishedKey> published;
  std::uint64_t published_version = 0;
  OutboxEvent event;  // what the security owner is told; its body's place is filled
};

struct RestoreReport {
  TreeHead backup;
  TreeHead head;            // of the restored ledger
  std::string moved_aside;  // folder that holds what stood in its place; empty where nothing did
  std::vector<std::string> findings;
};

// Puts a backup in the place of a ledger: copies it beside the place, checks the copy whole, compares it
// with the anchors, appends a record of kind "restored", moves keys on to what was published of them, raises the key
// set's version and the sequence beyond what the lost records may have used, syncs; moves what stands in the place into
// a folder `ledger-replaced-TIME` beside it, and renames the copy. A crash leaves the old ledger, or none (which no
// start takes for an empty one) and the same call again completes it. The caller keeps the appliance from running.
// Fails as verify_file does where the backup does not verify; with Refused, reason "backup_behind_anchor", where
// records would be lost and `accept_loss` does not say so; with Unavailable, reason "ledger_in_use".
Result<RestoreReport> restore(const RestorePlan& plan, const Clock& clock, const FileProgress& progress = {});

}  // namespace countersign::ledger
