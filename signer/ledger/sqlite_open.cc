// How a ledger comes to be, and what is checked before one is believed.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>

#include "common/durable_file.h"
#include "signer/ledger/findings.h"
#include "signer/ledger/place.h"
#include "signer/ledger/sqlite_check.h"
#include "signer/ledger/sqlite_integrity.h"
#include "signer/ledger/sqlite_restores.h"
#include "signer/ledger/sqlite_schema.h"
#include "signer/ledger/sqlite_state.h"
#include "signer/ledger/whole_check.h"

namespace countersign::ledger {
namespace {

constexpr const char* kJournal = "PRAGMA journal_mode";

// Settings of a connection are not stored in the file. The cache holds the upper pages of every index; a checkpoint
// each 1,000 pages keeps the WAL near 8 MiB.
Status configure(Connection& connection) {
  return connection.execute(
      "PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; PRAGMA cache_size = -8192; PRAGMA temp_store = MEMORY; "
      "PRAGMA wal_autocheckpoint = 1000; PRAGMA cell_size_check = ON;");
}

Status write_first(const std::string& path) {
  ASSIGN_OR_RETURN(Connection connection, Connection::open(path, Connection::Access::ReadWrite));
  RETURN_IF_ERROR(connection.execute("PRAGMA page_size = 8192; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;"));
  RETURN_IF_ERROR(connection.execute("BEGIN IMMEDIATE"));
  const std::string marks = "PRAGMA application_id = " + std::to_string(kApplicationId) +
                            "; PRAGMA user_version = " + std::to_string(kSchemaVersion) + ";";
  RETURN_IF_ERROR(connection.execute(marks.c_str()));
  RETURN_IF_ERROR(connection.execute(kTables));
  RETURN_IF_ERROR(write_meta(connection, Meta{.head = {0, log::empty_root()}, .mark = {}, .sequence_ceiling = 1}));
  return connection.execute("COMMIT");
}

Status remove_mark(const std::string& path) {
  if (unlink(path.c_str()) != 0 && errno != ENOENT) return failed("remove", path);
  return sync_directory(folder_of(path));
}

Result<Coverage> everything(Connection& connection) {
  WholeCheck check(connection, WholeCheck::Pages::Skip);
  for (;;) {
    ASSIGN_OR_RETURN(const bool more, check.step());
    if (!more) return check.coverage();
  }
}

Result<Coverage> newest_of(Connection& connection, std::uint64_t size, std::uint64_t count) {
  Coverage coverage;
  coverage.first = size - count - (size - count) % kTile;
  ASSIGN_OR_RETURN(const Seen seen, check_records(connection, coverage.first, size, size));
  coverage.oldest = seen.oldest;
  coverage.time_reset = seen.time_reset;
  RETURN_IF_ERROR(check_keys(connection));
  RETURN_IF_ERROR(check_restores(connection));
  return coverage;
}

Status check_file(const std::string& path) {
  struct stat found {};
  if (lstat(path.c_str(), &found) != 0) {
    if (errno != ENOENT) return failed("look at", path);
    return Error{ErrorCode::Unavailable, "there is no ledger at " + path, "ledger_missing",
                 "A missing ledger is never replaced by an empty one: put it back, or restore a backup with "
                 "`countersign ledger restore`. Only a new appliance makes one, with `countersignd init`."};
  }
  if (!S_ISREG(found.st_mode)) return corrupt(path + " is not a regular file");
  if ((found.st_mode & 077) != 0) {
    return Error{ErrorCode::Refused, path + " is open to others than its owner", "ledger_exposed",
                 "Find out who could write it; then chmod 600 " + path};
  }
  if (found.st_size == 0) return truncated(path + " is empty");
  return ok();
}

}  // namespace

Result<std::unique_ptr<SqliteStore>> SqliteStore::create(const std::string& path, const Clock& clock,
                                                         SqliteOptions options) {
  struct stat found {};
  const Error exists{ErrorCode::Conflict, "there is a ledger at " + path + " already", "ledger_exists",
                     "A ledger is never overwritten. Move it away if this is to be another appliance."};
  if (lstat(path.c_str(), &found) == 0) return exists;
  // Made under another name: a crash on the way leaves no half ledger at `path`.
  const std::string making = path + ".making";
  for (const char* suffix : {"", "-wal", "-shm", "-journal"}) unlink((making + suffix).c_str());
  const int file = ::open(making.c_str(), O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
  if (file < 0) return failed("create", making);
  const Status written = write_first(making);
  const bool synced = fsync(file) == 0;
  close(file);
  RETURN_IF_ERROR(written);
  if (!synced) return failed("sync", making);
  if (renameat2(AT_FDCWD, making.c_str(), AT_FDCWD, path.c_str(), RENAME_NOREPLACE) != 0) {
    if (errno == EEXIST) return exists;
    return failed("put in place", path);
  }
  RETURN_IF_ERROR(sync_directory(folder_of(path)));
  return open(path, clock, std::move(options));
}

Result<std::unique_ptr<SqliteStore>> SqliteStore::open(const std::string& path, const Clock& clock,
                                                       SqliteOptions options) {
  RETURN_IF_ERROR(check_file(path));
  ASSIGN_OR_RETURN(LockedFile lock, take_lock(path));
  RETURN_IF_ERROR(check_length(path));
  const bool suspected = is_there(suspect_mark(path));
  const auto checked = [&]() -> Result<std::unique_ptr<State>> {
    ASSIGN_OR_RETURN(Connection writer, Connection::open(path, Connection::Access::ReadWrite));
    RETURN_IF_ERROR(configure(writer));
    RETURN_IF_ERROR(check_schema(writer));
    {
      Query journal(writer, kJournal);
      if (!journal.next() || journal.text(0) != "wal") return corrupt("the ledger is not in WAL mode");
    }
    ASSIGN_OR_RETURN(const Meta meta, read_meta(writer));
    ASSIGN_OR_RETURN(Tail tail, read_tail(writer, meta.head));
    const std::uint64_t size = meta.head.size;
    const bool whole = suspected || size <= options.recheck;
    ASSIGN_OR_RETURN(const Coverage proved, whole ? everything(writer) : newest_of(writer, size, options.recheck));
    ASSIGN_OR_RETURN(std::vector<Restore> restores, restores_in(writer));
    if (suspected) RETURN_IF_ERROR(remove_mark(suspect_mark(path)));
    ASSIGN_OR_RETURN(Connection reader, Connection::open(path, Connection::Access::ReadOnly));
    RETURN_IF_ERROR(reader.execute("PRAGMA cache_size = -4096; PRAGMA query_only = ON;"));
    return std::make_unique<State>(
        path, clock, options, std::move(lock), std::move(writer), std::move(reader), meta, std::move(tail.frontier),
        Newest(size, std::move(tail.leaves), std::move(tail.places)), proved, std::move(restores));
  };
  auto state = checked();
  if (!state) return classified(std::move(state).error(), path);
  std::unique_ptr<SqliteStore> store(new SqliteStore(*std::move(state)));
  // Also proves that the ledger can be written.
  ASSIGN_OR_RETURN([[maybe_unused]] const std::uint64_t sequence, store->next_sequence());
  return store;
}

}  // namespace countersign::ledger
