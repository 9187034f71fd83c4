// The transparency log of a running appliance: what the ledger committed is written to tiles, signed by the log's
// holder and published, at least once a second while anything is new. The ledger stays the only commit point: the log
// lags behind it, and a log that does not fit it is never continued.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/clock.h"
#include "signer/config/config.h"
#include "signer/daemon/background_thread.h"
#include "signer/daemon/holder_pool.h"
#include "signer/daemon/key_ring.h"
#include "signer/daemon/log_witnesses.h"
#include "signer/ledger/sqlite_store.h"
#include "signer/log/checkpoint.h"
#include "signer/log/integration.h"
#include "signer/log/log_folder.h"
#include "signer/transport/event_loop.h"

namespace countersign::daemon {

class LogPublisher {
 public:
  // All outlive this.
  LogPublisher(transport::EventLoop& loop, const config::Config& config, const ledger::SqliteStore& store,
               const KeyRing& keys, HolderPool& holders);
  ~LogPublisher();

  // Compares the published checkpoint with the ledger and mends what a power failure tore; takes the time of the
  // entries since the last sync. Fails with Refused: log_ahead (the checkpoint covers more than the ledger has),
  // log_forked, log_checkpoint_swapped (it is not signed by a key of this log), log_origin_changed; with Conflict,
  // log_in_use.
  Status open();
  // Begins to publish. Enter the confinement first.
  void start();
  // Publishes what is new, writes it down, and calls `done`.
  void stop(std::function<void()> done);

  // The newest published note, and how many records it covers. Empty and 0 before the first.
  const std::string& note() const { return note_; }
  std::uint64_t size() const { return size_; }
  const std::string& origin() const { return config_.log.origin; }
  // Calls back on the loop once a published checkpoint covers record `index`, or with Unavailable, reason
  // "log_behind", when that takes too long.
  void when_covered(std::uint64_t index, std::function<void(const Status&)> done);

  // {"index","size","leaf","hashes","checkpoint"} for a record that the newest checkpoint covers. Fails with NotFound,
  // and with Unavailable, reason "log_behind", for one that it does not cover yet.
  Result<Json> proof(std::uint64_t index) const;
  // The bytes of a tile or bundle. Fails with NotFound, also for a path that names none.
  Result<std::string> tile(std::string_view path) const;

  // What is wrong now; empty where nothing is.
  const std::string& finding() const { return finding_; }
  // Files that the start had to write again.
  std::uint64_t mended() const { return mended_; }

  // Told once for each thing that goes wrong.
  std::function<void(const Error&)> on_trouble;

 private:
  class StoreLeaves;
  struct Waiter {
    std::uint64_t index;
    std::chrono::steady_clock::time_point until;
    std::function<void(const Status&)> done;
  };
  void look();
  void begin();
  void integrated(const Status& status, std::uint64_t size, const Digest& root);
  void signed_by_holder(const log::Checkpoint& checkpoint, const std::string& kid,
                        const Result<std::string_view>& payload);
  void published(const Status& status, std::uint64_t size, const std::string& note);
  void failed(const Error& error);
  void end_cycle();
  void serve_waiters();
  std::vector<log::NoteKey> note_keys() const;

  transport::EventLoop& loop_;
  const config::Config& config_;
  const ledger::SqliteStore& store_;
  const KeyRing& keys_;
  HolderPool& holders_;
  std::unique_ptr<StoreLeaves> leaves_;
  std::optional<log::LogFolder> folder_;           // of the background thread once started
  std::unique_ptr<log::Integration> integration_;  // as folder_
  std::optional<LogWitnesses> witnesses_;          // as folder_
  std::unique_ptr<BackgroundThread> thread_;
  std::optional<std::string> last_note_;  // what has to stand in the folder; nothing before the first
  std::string note_;
  std::uint64_t size_ = 0;
  std::uint64_t mended_ = 0;
  std::string finding_;
  std::vector<Waiter> waiters_;
  std::function<void()> stopped_;  // of a stop that has not ended yet
  std::chrono::steady_clock::time_point began_{};
  std::chrono::steady_clock::time_point synced_{};
  bool busy_ = false;
  bool stopping_ = false;
  bool halted_ = false;  // by something that trying again does not mend
};

}  // namespace countersign::daemon
