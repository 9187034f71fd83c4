// What SqliteStore holds: two connections, the tree's frontier, and the locks between them.
#pragma once

#include <atomic>
#include <chrono>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "common/locked_file.h"
#include "signer/ledger/background_check.h"
#include "signer/ledger/sqlite_batch.h"
#include "signer/ledger/sqlite_connection.h"
#include "signer/ledger/sqlite_store.h"
#include "signer/ledger/sqlite_tree.h"
#include "signer/ledger/time_guard.h"
#include "signer/log/merkle_tree.h"

namespace countersign::ledger {

struct SqliteStore::State {
  State(std::string path_of_file, const Clock& clock_of_store, const SqliteOptions& options, LockedFile lock_of_file,
        Connection writing_connection, Connection reading_connection, const Meta& meta, log::Frontier tree,
        Newest newest_records, Coverage proved, std::vector<Restore> restores_of_ledger)
      : path(std::move(path_of_file)),
        clock(clock_of_store),
        clock_step(options.clock_step),
        coverage(proved),
        restores(std::move(restores_of_ledger)),
        lock(std::move(lock_of_file)),
        guard(clock_of_store, options.clock_step, meta.mark, options.boot_id),
        writer(std::move(writing_connection)),
        frontier(std::move(tree)),
        newest(std::move(newest_records)),
        reader(std::move(reading_connection)),
        head(meta.head),
        sequence(meta.sequence_ceiling),
        sequence_ceiling(meta.sequence_ceiling) {}

  // Ends a transaction that failed. `failure` becomes ledger_full where the disk is full and the head on disk is the
  // one before; otherwise the store is poisoned. Requires `writing`.
  Error abandon(const Error& failure);
  Error poisoned_error() const;
  TableNodes nodes() const { return TableNodes(reader, newest); }  // requires reading
  // Takes over what a finished batch committed. Requires `writing`.
  void adopt(const Batch& batch, std::uint64_t new_ceiling);
  // The ceiling to keep with the next commit: raised while half a block is left, so that next_sequence never waits.
  std::uint64_t wanted_ceiling() const;
  // Whether anything may be signed: the clock is believed and no damage was found.
  Status may_sign();
  // Damage was found: writes the mark that makes the next open() check everything, and stops signing.
  void condemn(const Error& damage);

  const std::string path;
  const Clock& clock;
  const std::chrono::nanoseconds clock_step;
  const Coverage coverage;  // when it was opened
  const std::vector<Restore> restores;
  const LockedFile lock;
  TimeGuard guard;

  std::mutex writing;
  Connection writer;       // guarded by writing
  log::Frontier frontier;  // guarded by writing
  Newest newest;           // added to under writing

  mutable std::mutex reading;
  mutable Connection reader;                                  // guarded by reading
  mutable std::map<std::uint64_t, std::uint64_t> handed_out;  // counts given by outbox(), by id; guarded by reading

  mutable std::mutex heading;
  TreeHead head;  // guarded by heading

  std::atomic<std::uint64_t> sequence;
  std::atomic<std::uint64_t> sequence_ceiling;
  std::atomic<bool> poisoned = false;
  std::atomic<bool> damaged = false;
  std::unique_ptr<BackgroundCheck> check;  // last: it ends before the rest goes
};

}  // namespace countersign::ledger
