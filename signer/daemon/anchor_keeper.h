// The ledger's size and root outside the ledger: compared at start, written at start, stop and once a minute
// (docs/architecture.md, "State", anchors).
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "common/clock.h"
#include "signer/config/config.h"
#include "signer/daemon/holder_pool.h"
#include "signer/daemon/recorder.h"
#include "signer/ledger/anchor_check.h"

namespace countersign::daemon {

class AnchorKeeper {
 public:
  AnchorKeeper(const config::Config& config, const Clock& clock, const ledger::Store& store, HolderPool& holders)
      : config_(config), clock_(clock), store_(store), holders_(holders) {}

  // Reads both places, the token's through the first holder of the trace role, and compares. Fails as check_anchors
  // does; gives sentences about what could not be read.
  void compare(std::function<void(Result<std::vector<std::string>>)> done);
  // Writes both where the ledger has grown since the last time: the file on the commit thread, the token's by its
  // holder. A failure becomes a finding, and is tried again the next time.
  void write(Recorder& recorder);
  // At the end, when nothing more is recorded: the file at once, and `done` when the token's is written or failed.
  void write_last(std::function<void()> done);

  // What is wrong now; empty where nothing is.
  const std::string& finding() const { return finding_; }

 private:
  channel::Anchor present() const;
  const config::Config& config_;
  const Clock& clock_;
  const ledger::Store& store_;
  HolderPool& holders_;
  std::uint64_t written_size_ = 0;
  std::string finding_;
};

}  // namespace countersign::daemon
