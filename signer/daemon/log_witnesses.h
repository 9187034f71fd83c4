// Witnesses of the log (C2SP tlog-witness): before a checkpoint is published, each is shown it with the proof that it
// continues what that witness saw last, and its cosignature goes into the note. The front reaches no network: a
// witness, or a forwarder to one, listens on a Unix socket.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "signer/config/config.h"
#include "signer/ledger/store.h"
#include "signer/log/checkpoint.h"

namespace countersign::daemon {

class LogWitnesses {
 public:
  // Fails with Invalid on a key that is no cosigner's verifier key.
  static Result<LogWitnesses> of(const config::LogConfig& config);

  // Asks each in turn, a few seconds at most each; blocks. Gives the note with the cosignatures that verify. Fails with
  // Unavailable, reason "witness_missing", where fewer are had than are required, naming why; a witness whose answer
  // does not verify counts as missing.
  Result<std::string> cosigned(const std::string& note, const log::Checkpoint& checkpoint, const ledger::Store& store);

 private:
  struct Witness {
    log::NoteKey key;
    std::string socket;
    std::uint64_t seen = 0;  // the size it cosigned last, as far as we know
  };
  static Result<log::NoteSignature> ask(Witness& witness, const std::string& note, const log::Checkpoint& checkpoint,
                                        const ledger::Store& store);

  std::vector<Witness> witnesses_;
  std::size_t required_ = 0;
};

}  // namespace countersign::daemon
