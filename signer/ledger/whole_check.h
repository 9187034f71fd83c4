// Everything that can be checked of a ledger, in pieces: each sees one state of a ledger that may be written meanwhile,
// and is short, so that it neither holds up a checkpoint nor keeps anybody waiting for an answer.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "common/clock.h"
#include "common/result.h"
#include "signer/ledger/sqlite_connection.h"
#include "signer/ledger/sqlite_integrity.h"
#include "signer/ledger/store.h"

namespace countersign::ledger {

// Which of the records are known to be the ones of the tree, and the tables to hold what they did: all from `first` on.
struct Coverage {
  std::uint64_t first = 0;
  std::optional<UtcTime> oldest{};  // of their times
  bool time_reset = false;          // times before and after one of them are not comparable
  // Whether nothing that was recorded at `moment` or later lies before them. A clock may be off by `step`.
  bool since(UtcTime moment, std::chrono::nanoseconds step) const {
    return first == 0 || (!time_reset && oldest && *oldest < moment - step);
  }
};

class WholeCheck {
 public:
  enum class Pages { Skip, Check };  // SQLite's own check of the whole file: one long piece, the last
  // `connection` reads and is in no transaction. It must outlive the object.
  WholeCheck(Connection& connection, Pages pages) : connection_(connection), pages_(pages) {}

  // Does the next piece, the newest records first. Gives false when there is none left. Fails with Refused, reason
  // "ledger_version", "ledger_truncated", "ledger_forked" or "ledger_corrupt"; with Unavailable where the ledger could
  // not be read, and may then be called again.
  Result<bool> step();

  // What was found so far. `head` is the ledger's when the check began.
  const Verification& seen() const { return seen_; }
  const Coverage& coverage() const { return coverage_; }
  std::string_view doing() const;  // "records", "tables", …

 private:
  enum class Phase { Head, Records, Tree, Required, Intents, Answers, Indices, Pages, Done };
  Status piece();
  Status check_head();
  Status check_slice();
  Status check_requirements();
  void next(bool finished);

  Connection& connection_;
  const Pages pages_;
  Phase phase_ = Phase::Head;
  std::size_t index_ = 0;
  TableCursor cursor_;
  Verification seen_;
  Coverage coverage_;
};

}  // namespace countersign::ledger
