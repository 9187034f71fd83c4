// What the front knows of ceremonies: the one that is open, those that ended, and what the last of them settled. The
// ledger decides: a plan is opened once and closed once, a settlement has one number, because each is redeemed there as
// an approval token is. The files beside it (state/ceremonies) hold what the ledger only has the digest of.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "common/json.h"
#include "common/result.h"
#include "keymgmt/ceremony/approval.h"
#include "keymgmt/ceremony/intent.h"
#include "signer/ledger/store.h"

namespace countersign::ceremonies {

// What the custodians last agreed to: who they are, and which rosters count.
struct Standing {
  std::int64_t version = 0;
  std::optional<ceremony::Quorum> quorum;
  std::string approvers;  // SHA-256 of the roster's canonical form; empty: none was ever agreed to
  std::string verifiers;
  std::string by;  // the plan's digest
  Json to_json() const;
  static Result<Standing> from_json(const Json& json);  // strict
};

struct OpenCeremony {
  ceremony::Intent intent;
  std::vector<ceremony::Approval> approvals;
  UtcTime opened_at;
};

class CeremonyBook {
 public:
  explicit CeremonyBook(std::string state) : folder_(std::move(state) + "/ceremonies") {}

  // At the start, and after each change: reads what is there, and finishes a close that a crash interrupted. Fails with
  // Refused (standing_missing) where the ledger knows of a settlement whose file is gone or another.
  Status load(const ledger::Store& store);

  const std::optional<OpenCeremony>& open() const { return open_; }
  const Standing& standing() const { return standing_; }
  Result<bool> used(const ledger::Store& store, const Digest& plan) const;
  std::vector<Json> ended() const;  // {"sha256","name","purpose","outcome","closed_at"}, by time

  // Before its record: a file that the ledger does not know of counts for nothing.
  Status write_open(const ceremony::Intent& intent, const std::vector<ceremony::Approval>& approvals, UtcTime at) const;
  Status write_standing(const Standing& standing) const;
  Status write_transcript(const Digest& plan, std::string_view text) const;
  Status write_end(const ceremony::Intent& intent, std::string_view outcome, UtcTime at) const;

  // The redemptions that make each of these happen once.
  static ledger::Redemption opening(const Digest& plan);
  static ledger::Redemption closing(const Digest& plan);
  static std::vector<ledger::Redemption> settling(const Standing& standing);

 private:
  std::string folder_;
  std::optional<OpenCeremony> open_;
  Standing standing_;
};

}  // namespace countersign::ceremonies
