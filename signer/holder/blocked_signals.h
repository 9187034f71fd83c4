// Signals wait while a token is changed: SoftHSM rewrites its files in place, and a process that ends in the middle
// leaves them empty (docs/softhsm.md).
#pragma once

#include <csignal>

namespace countersign::holder {

class BlockedSignals {
 public:
  BlockedSignals() {
    sigset_t all;
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, &before_);
  }
  BlockedSignals(const BlockedSignals&) = delete;
  BlockedSignals& operator=(const BlockedSignals&) = delete;
  ~BlockedSignals() { sigprocmask(SIG_SETMASK, &before_, nullptr); }

 private:
  sigset_t before_{};
};

}  // namespace countersign::holder
