// The published log held against the ledger it was made from.
#pragma once

#include <cstdint>
#include <vector>

#include "command/line/command.h"
#include "command/log/ledger_view.h"
#include "common/result.h"
#include "signer/log/checkpoint.h"
#include "signer/log/tile_check.h"
#include "signer/log/tile_source.h"

namespace countersign::command {

enum class LedgerExtent {
  Whole,   // has every record that was published
  Backup,  // may end before the log does
};

struct LedgerComparison {
  std::uint64_t ledger_size = 0;
  std::uint64_t compared = 0;                // the first records, which both have
  std::vector<log::FileFinding> findings{};  // where log and ledger differ
};

// Has the ledger checked as a whole, then compares roots: over all records that both have, and where these differ, over
// fewer, until the first other record is found. Together with check_tiles that is every entry against every record.
// Fails where the ledger is damaged or cannot be read.
Result<LedgerComparison> compare_with_ledger(Call& call, const log::TileSource& source,
                                             const log::Checkpoint& checkpoint, LedgerView& ledger,
                                             LedgerExtent extent);

}  // namespace countersign::command
