#include "signer/ledger/ledger_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <functional>
#include <utility>

#include "common/durable_file.h"
#include "signer/ledger/findings.h"
#include "signer/ledger/place.h"
#include "signer/ledger/sqlite_check.h"
#include "signer/ledger/sqlite_copy.h"
#include "signer/ledger/sqlite_restores.h"
#include "signer/ledger/sqlite_schema.h"
#include "signer/ledger/sqlite_tree.h"
#include "signer/ledger/whole_check.h"

namespace countersign::ledger {
namespace {

Status check_there(const std::string& path) {
  struct stat found {};
  if (stat(path.c_str(), &found) != 0) {
    return Error{errno == ENOENT ? ErrorCode::NotFound : ErrorCode::Unavailable,
                 "cannot look at " + path + ": " + std::strerror(errno), "ledger_missing",
                 "Name a ledger: ledger.db in the state directory, or a backup of it."};
  }
  if (!S_ISREG(found.st_mode)) return corrupt(path + " is not a regular file");
  return check_length(path);
}

// A file that no appliance has ever opened is read without making anything beside it.
Connection::Access access_to(const std::string& path) {
  const bool used = is_there(lock_path(path)) || is_there(path + "-wal");
  return used ? Connection::Access::ReadOnly : Connection::Access::Immutable;
}

using RootAt = std::function<Result<Digest>(std::uint64_t size)>;

// What `ask` makes of one state of the ledger: `ask(head, root_at)`.
template <typename Ask>
auto in_one_state(Connection& connection, const Ask& ask)
    -> decltype(ask(std::declval<const TreeHead&>(), std::declval<const RootAt&>())) {
  RETURN_IF_ERROR(connection.execute("BEGIN"));
  const auto asked = [&]() -> decltype(ask(std::declval<const TreeHead&>(), std::declval<const RootAt&>())) {
    RETURN_IF_ERROR(check_schema(connection));
    ASSIGN_OR_RETURN(const Meta meta, read_meta(connection));
    ASSIGN_OR_RETURN(Tail tail, read_tail(connection, meta.head));
    const Newest newest(meta.head.size, std::move(tail.leaves), std::move(tail.places));
    const TableNodes nodes(connection, newest);
    return ask(meta.head, [&](std::uint64_t size) -> Result<Digest> {
      if (size == meta.head.size) return meta.head.root;
      return log::root_of(size, nodes);
    });
  };
  auto answer = asked();
  RETURN_IF_ERROR(connection.execute("ROLLBACK"));
  return answer;
}

Result<AnchorReport> compare_anchors(Connection& connection, const std::vector<AnchorReading>& anchors) {
  return in_one_state(connection, [&](const TreeHead& head, const RootAt& root_at) -> Result<AnchorReport> {
    ASSIGN_OR_RETURN(const std::vector<Restore> restores, restores_in(connection));
    return check_anchors(AnchoredLedger{head, root_at, restores}, anchors);
  });
}

Result<FileReport> check_connection(Connection& connection, const std::vector<AnchorReading>& anchors,
                                    const FileProgress& progress) {
  FileReport report;
  ASSIGN_OR_RETURN(report.anchors, compare_anchors(connection, anchors));
  WholeCheck check(connection, WholeCheck::Pages::Check);
  for (bool more = true; more;) {
    ASSIGN_OR_RETURN(more, check.step());
    if (progress) progress(check.doing(), check.seen().head.size - check.coverage().first, check.seen().head.size);
  }
  report.verification = check.seen();
  return report;
}

}  // namespace

Result<AnchorReport> compare_file(const std::string& path, const std::vector<AnchorReading>& anchors) {
  RETURN_IF_ERROR(check_there(path));
  ASSIGN_OR_RETURN(Connection connection, Connection::open(path, access_to(path)));
  return compare_anchors(connection, anchors);
}

Result<RootReport> root_in_file(const std::string& path, std::uint64_t size) {
  RETURN_IF_ERROR(check_there(path));
  ASSIGN_OR_RETURN(Connection connection, Connection::open(path, access_to(path)));
  return in_one_state(connection, [size](const TreeHead& head, const RootAt& root_at) -> Result<RootReport> {
    if (size > head.size) {
      return Error{ErrorCode::NotFound,
                   "the ledger has " + std::to_string(head.size) + " records, not " + std::to_string(size)};
    }
    ASSIGN_OR_RETURN(const Digest root, root_at(size));
    return RootReport{head, root};
  });
}

Result<FileReport> verify_file(const std::string& path, const std::vector<AnchorReading>& anchors,
                               const FileProgress& progress) {
  RETURN_IF_ERROR(check_there(path));
  const auto checked = [&]() -> Result<FileReport> {
    ASSIGN_OR_RETURN(Connection connection, Connection::open(path, access_to(path)));
    RETURN_IF_ERROR(connection.execute("PRAGMA query_only = ON;"));
    return check_connection(connection, anchors, progress);
  };
  Result<FileReport> report = checked();
  if (!report) return classified(std::move(report).error(), path);
  return report;
}

Result<FileReport> back_up(const std::string& path, const std::string& to, const std::vector<AnchorReading>& anchors,
                           const FileProgress& progress) {
  const Error exists{ErrorCode::Conflict, "there is something at " + to + " already", "backup_exists",
                     "A backup is never overwritten: name another file."};
  if (is_there(to)) return exists;
  RETURN_IF_ERROR(check_there(path));
  const std::string making = to + ".making";
  unlink(making.c_str());
  const int file = open(making.c_str(), O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
  if (file < 0) return failed("create", making);
  const auto written = [&]() -> Result<FileReport> {
    {
      ASSIGN_OR_RETURN(Connection source, Connection::open(path, access_to(path)));
      RETURN_IF_ERROR(source.execute("PRAGMA query_only = ON; BEGIN"));
      ASSIGN_OR_RETURN([[maybe_unused]] const Meta meta, read_meta(source));  // from here on it sees one state
      RETURN_IF_ERROR(copy_database(source, making, [&progress](std::uint64_t done, std::uint64_t all) {
        if (progress) progress("copy", done, all);
      }));
    }
    if (fsync(file) != 0) return failed("sync", making);
    return verify_file(making, anchors, progress);
  };
  Result<FileReport> report = written();
  close(file);
  if (report && renameat2(AT_FDCWD, making.c_str(), AT_FDCWD, to.c_str(), RENAME_NOREPLACE) != 0) {
    report = errno == EEXIST ? exists : failed("put in place", to);
  }
  if (!report) {
    unlink(making.c_str());
    return report;
  }
  RETURN_IF_ERROR(sync_directory(folder_of(to)));
  return report;
}

}  // namespace countersign::ledger
