// `countersignd ledger verify|root|backup|restore`: what is done to a ledger's file from outside of the appliance.
#pragma once

#include <span>
#include <string>

#include "common/clock.h"
#include "common/json.h"
#include "common/result.h"
#include "signer/config/config.h"

namespace countersign::setup {

struct LedgerTask {
  enum class Kind { Verify, Root, Backup, Restore };
  Kind kind = Kind::Verify;
  std::string config;  // the appliance's, for ledger and anchors; or
  std::string ledger;  // a ledger's file alone, without anchors; not to restore
  std::string at;      // of a root: over so many records
  std::string to;      // of a backup
  std::string from;    // of a restore
  std::string reason;
  bool accept_loss = false;
  bool json = false;
};

// The words after `ledger`. Fails with Invalid.
Result<LedgerTask> read_ledger_task(std::span<char* const> words);

// Does it, and tells stderr how far it is, at most once a second. Gives {"ok":true,…}. Fails as
// signer/ledger/ledger_file.h says; a restore also as supervisor::StateLock::take while the appliance runs.
Result<Json> carry_out(const LedgerTask& task, const Clock& clock);

// The answer for people.
std::string text_of(const LedgerTask& task, const Json& answer);

}  // namespace countersign::setup
