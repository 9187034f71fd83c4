#include "signer/ledger/whole_check.h"

#include <algorithm>
#include <cstdlib>
#include <utility>

#include "signer/ledger/sqlite_check.h"
#include "signer/ledger/sqlite_schema.h"

namespace countersign::ledger {
namespace {

constexpr std::uint64_t kSlice = 8 * kTile;  // some 30 ms
constexpr std::size_t kRows = 512;

}  // namespace

std::string_view WholeCheck::doing() const {
  switch (phase_) {
    case Phase::Head:
    case Phase::Records:
      return "records";
    case Phase::Tree:
      return "tree";
    case Phase::Required:
    case Phase::Intents:
    case Phase::Answers:
      return "tables";
    case Phase::Indices:
      return "indices";
    case Phase::Pages:
      return "pages";
    case Phase::Done:
      return "done";
  }
  std::abort();
}

void WholeCheck::next(bool finished) {
  if (!finished) return;
  phase_ = static_cast<Phase>(static_cast<int>(phase_) + 1);
  cursor_ = TableCursor{};
}

Status WholeCheck::check_head() {
  RETURN_IF_ERROR(check_schema(connection_));
  ASSIGN_OR_RETURN(const Meta meta, read_meta(connection_));
  ASSIGN_OR_RETURN([[maybe_unused]] const Tail tail, read_tail(connection_, meta.head));
  seen_.head = meta.head;
  coverage_.first = meta.head.size;
  return ok();
}

Status WholeCheck::check_slice() {
  if (coverage_.first == 0) return ok();
  ASSIGN_OR_RETURN(const Meta meta, read_meta(connection_));
  // The newest slice reaches to the end that the ledger has by now, and finds what lies beyond any record.
  const std::uint64_t last = coverage_.first == seen_.head.size ? meta.head.size : coverage_.first;
  const std::uint64_t first = (coverage_.first - 1) / kSlice * kSlice;
  ASSIGN_OR_RETURN(const Seen seen, check_records(connection_, first, last, meta.head.size));
  seen_.redemptions += seen.redemptions;
  seen_.executions += seen.executions;
  coverage_.first = first;
  coverage_.time_reset = coverage_.time_reset || seen.time_reset;
  if (seen.oldest) coverage_.oldest = coverage_.oldest ? std::min(*coverage_.oldest, *seen.oldest) : *seen.oldest;
  return ok();
}

Status WholeCheck::check_requirements() {
  ASSIGN_OR_RETURN(const Meta meta, read_meta(connection_));
  ASSIGN_OR_RETURN(Tail tail, read_tail(connection_, meta.head));
  const Newest newest(meta.head.size, std::move(tail.leaves), std::move(tail.places));
  return check_required(connection_, newest, meta.head.size, kRows, cursor_);
}

Status WholeCheck::piece() {
  switch (phase_) {
    case Phase::Head:
      RETURN_IF_ERROR(check_head());
      next(true);
      return ok();
    case Phase::Records:
      RETURN_IF_ERROR(check_slice());
      next(coverage_.first == 0);
      return ok();
    case Phase::Tree: {
      ASSIGN_OR_RETURN(const Meta meta, read_meta(connection_));
      RETURN_IF_ERROR(check_nodes(connection_, meta.head.size));
      RETURN_IF_ERROR(check_keys(connection_));
      RETURN_IF_ERROR(check_restores(connection_));
      next(true);
      return ok();
    }
    case Phase::Required:
      RETURN_IF_ERROR(check_requirements());
      next(cursor_.done);
      return ok();
    case Phase::Intents:
      RETURN_IF_ERROR(check_intents(connection_, kRows, cursor_));
      next(cursor_.done);
      return ok();
    case Phase::Answers:
      RETURN_IF_ERROR(check_answers(connection_, kRows, cursor_));
      next(cursor_.done);
      return ok();
    case Phase::Indices:
      RETURN_IF_ERROR(check_index(connection_, index_));
      next(++index_ == kIndexedTables);
      return ok();
    case Phase::Pages:
      if (pages_ == Pages::Check) RETURN_IF_ERROR(check_pages(connection_));
      next(true);
      return ok();
    case Phase::Done:
      return ok();
  }
  std::abort();
}

Result<bool> WholeCheck::step() {
  if (phase_ == Phase::Done) return false;
  RETURN_IF_ERROR(connection_.execute("BEGIN"));
  Status done = piece();
  const Status ended = connection_.execute("ROLLBACK");  // nothing was written
  if (!done) return std::move(done).error();
  if (!ended) return ended.error();
  return phase_ != Phase::Done;
}

}  // namespace countersign::ledger
