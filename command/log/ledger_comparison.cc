#include "command/log/ledger_comparison.h"

#include <algorithm>
#include <string>

#include "signer/log/merkle_tree.h"
#include "signer/log/tile.h"

namespace countersign::command {
namespace {

// The first record of `count` that differs, where all of them together do. Fails as its two sources do.
Result<std::uint64_t> first_difference(std::uint64_t count, const log::NodeReader& log_nodes, LedgerView& ledger) {
  std::uint64_t same = 0;
  std::uint64_t other = count;
  while (other - same > 1) {
    const std::uint64_t middle = same + (other - same) / 2;
    ASSIGN_OR_RETURN(const Digest published, log::root_of(middle, log_nodes));
    ASSIGN_OR_RETURN(const Digest recorded, ledger.root_at(middle));
    (published == recorded ? same : other) = middle;
  }
  return same;
}

}  // namespace

Result<LedgerComparison> compare_with_ledger(Call& call, const log::TileSource& source,
                                             const log::Checkpoint& checkpoint, LedgerView& ledger,
                                             LedgerExtent extent) {
  LedgerComparison out;
  ASSIGN_OR_RETURN(out.ledger_size, ledger.verify(call));
  out.compared = std::min(out.ledger_size, checkpoint.size);
  if (out.compared < checkpoint.size && extent == LedgerExtent::Whole) {
    out.findings.push_back({"checkpoint", "covers " + std::to_string(checkpoint.size) + " records, the ledger has " +
                                              std::to_string(out.ledger_size)});
  }
  const log::TileNodes nodes(source, checkpoint.size);
  const Result<Digest> published =
      out.compared == checkpoint.size ? Result<Digest>(checkpoint.root) : log::root_of(out.compared, nodes);
  if (!published) {
    out.findings.push_back({"tile", "cannot be held against the ledger: " + published.error().detail});
    return out;
  }
  ASSIGN_OR_RETURN(const Digest recorded, ledger.root_at(out.compared));
  if (*published == recorded) return out;
  const Result<std::uint64_t> first = first_difference(out.compared, nodes, ledger);
  out.findings.push_back(
      first ? log::FileFinding{log::tile_holding(log::TileId::Kind::Entries, 0, *first, checkpoint.size).path(),
                               "record " + std::to_string(*first) + " is not the ledger's"}
            : log::FileFinding{"checkpoint", "its root is not the ledger's; where they part cannot be found: " +
                                                 first.error().detail});
  return out;
}

}  // namespace countersign::command
