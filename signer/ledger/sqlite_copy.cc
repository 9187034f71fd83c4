#include "signer/ledger/sqlite_copy.h"

#include <sqlite3.h>

#include <memory>

namespace countersign::ledger {
namespace {

constexpr int kPagesAtOnce = 2048;

}  // namespace

Status copy_database(Connection& from, const std::string& to,
                     const std::function<void(std::uint64_t done, std::uint64_t all)>& progress) {
  ASSIGN_OR_RETURN(Connection copy, Connection::open(to, Connection::Access::Create));
  // A copy that was interrupted is thrown away, and the caller syncs the whole one.
  RETURN_IF_ERROR(copy.execute("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;"));
  const std::unique_ptr<sqlite3_backup, int (*)(sqlite3_backup*)> backup(
      sqlite3_backup_init(copy.raw(), "main", from.raw(), "main"), sqlite3_backup_finish);
  if (!backup) return copy.failure("begin to copy the ledger");
  int code = SQLITE_OK;
  while (code == SQLITE_OK) {
    code = sqlite3_backup_step(backup.get(), kPagesAtOnce);
    if (!progress) continue;
    const auto all = static_cast<std::uint64_t>(sqlite3_backup_pagecount(backup.get()));
    progress(all - static_cast<std::uint64_t>(sqlite3_backup_remaining(backup.get())), all);
  }
  if (code != SQLITE_DONE) return failure_of(code, "copy the ledger to " + to);
  return ok();
}

}  // namespace countersign::ledger
