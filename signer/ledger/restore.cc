// Putting a backup in the place of a ledger.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <map>
#include <optional>
#include <utility>

#include "common/durable_file.h"
#include "signer/ledger/findings.h"
#include "signer/ledger/ledger_file.h"
#include "signer/ledger/place.h"
#include "signer/ledger/sqlite_batch.h"
#include "signer/ledger/sqlite_check.h"
#include "signer/ledger/sqlite_copy.h"
#include "signer/ledger/sqlite_integrity.h"
#include "signer/ledger/sqlite_restores.h"
#include "signer/ledger/sqlite_store.h"
#include "signer/ledger/sqlite_tree.h"
#include "signer/ledger/whole_check.h"

namespace countersign::ledger {
namespace {

using keymgmt::KeyState;
using keymgmt::PublishedKey;

// Further than the records that were lost can have counted, and rarely enough to stay below 2^53.
constexpr std::uint64_t kSequenceLeap = std::uint64_t{1} << 32;

Json anchors_json(const std::vector<AnchorReading>& anchors) {
  Json::Array rows;
  for (const AnchorReading& each : anchors) {
    Json row = Json::object({{"where", each.where}});
    if (each.anchor) {
      row.set("size", each.anchor->size);
      row.set("root", each.anchor->root.hex());
      row.set("at", each.anchor->at.rfc3339());
    } else {
      row.set("unreadable", each.anchor.error().detail);
    }
    rows.push_back(std::move(row));
  }
  return Json(std::move(rows));
}

// The states between `from` and `to` by moves of the table, `to` included; nothing where no moves lead there.
std::optional<std::vector<KeyState>> way(KeyState from, KeyState to) {
  std::map<KeyState, KeyState> before;
  std::vector<KeyState> reached = {from};
  for (std::size_t i = 0; i < reached.size() && !before.contains(to); ++i) {
    for (const keymgmt::StateRow& row : keymgmt::key_states()) {
      if (row.state == from || before.contains(row.state) || !keymgmt::may_become(reached[i], row.state)) continue;
      before.emplace(row.state, reached[i]);
      reached.push_back(row.state);
    }
  }
  if (!before.contains(to)) return std::nullopt;
  std::vector<KeyState> steps;
  for (KeyState state = to; state != from; state = before.at(state)) steps.push_back(state);
  std::reverse(steps.begin(), steps.end());
  return steps;
}

// A backup does not know that a key was halted or retired since. What verifiers were told is kept.
Status follow_published(SqliteStore& store, const RestorePlan& plan, UtcTime at, std::vector<std::string>& findings) {
  ASSIGN_OR_RETURN(const std::vector<PublishedKey> known, store.keys());
  std::vector<PublishedKey> steps;
  for (const PublishedKey& published : plan.published) {
    const auto own = std::find_if(known.begin(), known.end(),
                                  [&](const PublishedKey& each) { return each.key.kid() == published.key.kid(); });
    if (own == known.end()) {
      steps.push_back(published);
      findings.push_back("key " + published.key.kid() + " was made after the backup and is taken over as published");
      continue;
    }
    PublishedKey moved = *own;
    moved.not_before = published.not_before;
    moved.not_after = published.not_after;
    moved.compromised_since = published.compromised_since;
    moved.published_at = published.published_at ? published.published_at : own->published_at;
    moved.verify_until = published.verify_until ? published.verify_until : own->verify_until;
    if (own->state == published.state) {
      if (own->compromised_since != published.compromised_since) steps.push_back(moved);
      continue;
    }
    const auto states = way(own->state, published.state);
    if (!states) {
      return Error{ErrorCode::Refused,
                   "key " + published.key.kid() + " was published as " + std::string(name_of(published.state)) +
                       ", which no key becomes that is " + std::string(name_of(own->state)) + " in the backup",
                   "older_key_set", "The publication directory is not of this ledger, or older than the backup."};
    }
    for (const KeyState state : *states) {
      moved.state = state;
      steps.push_back(moved);
    }
    findings.push_back("key " + published.key.kid() + " is " + std::string(name_of(published.state)) +
                       ", as published after the backup");
  }
  if (steps.empty()) return ok();
  // Keys that stop signing stand before the one that starts.
  return store.put_keys(steps, at, KeyChange{.peer_uid = plan.uid, .reason = "restore: " + plan.reason});
}

// Appends the record of the restore to the copy, and lifts version and sequence beyond what was used since.
Status mark_restored(const std::string& copy, const RestorePlan& plan, const TreeHead& backup,
                     const std::string& moved_aside, UtcTime at) {
  ASSIGN_OR_RETURN(Connection connection, Connection::open(copy, Connection::Access::ReadWrite));
  RETURN_IF_ERROR(connection.execute("PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON;"));
  ASSIGN_OR_RETURN(const Meta meta, read_meta(connection));
  if (meta.mark && meta.mark->wall > at) {
    return Error{ErrorCode::Unavailable, "the clock is before the backup's last record", "clock_stepped_back",
                 "Set the clock right, then restore."};
  }
  ASSIGN_OR_RETURN(Tail tail, read_tail(connection, meta.head));
  const Newest newest(meta.head.size, std::move(tail.leaves), std::move(tail.places));
  Restore restore{meta.head.size, at, plan.accept_loss, plan.reason};
  Item item;
  item.record.kind = kRestoredKind;
  item.record.at = at;
  item.record.peer_uid = plan.uid;
  item.record.body = restore_body(restore, backup, anchors_json(plan.anchors), moved_aside);
  item.record.body_digest = sha256(item.record.body);
  OutboxEvent event = plan.event;
  event.at = at;
  event.body = item.record.body;
  item.events.push_back(std::move(event));
  Batch batch(connection, tail.frontier, newest);
  RETURN_IF_ERROR(batch.begin());
  ASSIGN_OR_RETURN(const Committed committed, batch.append(item));
  RETURN_IF_ERROR(keep_restore(connection, committed.log_index, at));
  Meta raised = meta;
  raised.key_set_version = std::max(meta.key_set_version, plan.published_version) + 1;
  RETURN_IF_ERROR(write_meta(connection, raised));
  const TimeMark mark = meta.mark.value_or(TimeMark{at, {}, ""});
  return batch.finish(mark, meta.sequence_ceiling + kSequenceLeap, false);
}

Status move_aside(const std::string& ledger, const std::string& folder) {
  if (mkdir(folder.c_str(), 0700) != 0 && errno != EEXIST) return failed("make", folder);
  const std::string name = std::filesystem::path(ledger).filename().string();
  // The ledger first: without it no start takes what is left for one.
  for (const char* suffix : {"", "-wal", "-shm", ".suspect"}) {
    const std::string from = ledger + suffix;
    if (!is_there(from)) continue;
    if (rename(from.c_str(), (folder + "/" + name + suffix).c_str()) != 0) return failed("move aside", from);
  }
  RETURN_IF_ERROR(sync_directory(folder));
  return sync_directory(folder_of(ledger));
}

// As whoever owned the ledger, or owns its folder: a restore by root must not shut the front out.
Status give_to_owner(const std::string& file, const std::string& ledger) {
  if (geteuid() != 0) return ok();
  struct stat owner {};
  if (stat(ledger.c_str(), &owner) != 0 && stat(folder_of(ledger).c_str(), &owner) != 0) {
    return failed("look at", ledger);
  }
  if (chown(file.c_str(), owner.st_uid, owner.st_gid) != 0) return failed("change the owner of", file);
  return ok();
}

Status sync_file(const std::string& path) {
  const int file = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  const bool synced = file >= 0 && fsync(file) == 0;
  const Status status = synced ? ok() : Status(failed("sync", path));
  if (file >= 0) close(file);
  return status;
}

Error behind_anchor(const Error& error) {
  if (error.reason != "ledger_rolled_back") return error;
  return Error{ErrorCode::Refused, "the backup is behind an anchor: " + error.detail, "backup_behind_anchor",
               "Restore a newer backup. Where there is none, --accept-loss says so, and the record keeps it."};
}

// What was committed to the copy must stand in its file, since the file alone is renamed. Closing did it.
Status check_folded(const std::string& copy) {
  struct stat found {};
  if (stat((copy + "-wal").c_str(), &found) != 0 || found.st_size == 0) return ok();
  return Error{ErrorCode::Internal, "the copy of the backup was not written into its file"};
}

void remove_copy(const std::string& copy) {
  for (const char* suffix : {"", "-wal", "-shm", ".lock", ".suspect"}) unlink((copy + suffix).c_str());
}

}  // namespace

Result<RestoreReport> restore(const RestorePlan& plan, const Clock& clock, const FileProgress& progress) {
  if (plan.reason.empty()) return Error{ErrorCode::Invalid, "a restore needs a reason, for the record"};
  ASSIGN_OR_RETURN(const LockedFile lock, take_lock(plan.ledger));
  RestoreReport report;
  const std::string copy = plan.ledger + ".restoring";
  remove_copy(copy);
  // Not before anything that is known to have happened: what is older than the restore counts no more.
  UtcTime at = clock.now();
  std::vector<AnchorReading> judged;
  ASSIGN_OR_RETURN(const FileReport backup, verify_file(plan.backup, {}, progress));
  report.backup = backup.verification.head;
  for (const AnchorReading& each : plan.anchors) {
    if (!each.anchor) {
      report.findings.push_back("the anchor in the " + each.where + " cannot be read: " + each.anchor.error().detail);
      continue;
    }
    at = std::max(at, each.anchor->at);
    if (!plan.accept_loss || each.anchor->size <= report.backup.size) judged.push_back(each);
  }
  const Result<AnchorReport> anchored = compare_file(plan.backup, judged);
  if (!anchored) return behind_anchor(anchored.error());

  const bool replaces = is_there(plan.ledger) || is_there(plan.ledger + "-wal");
  const std::string aside = folder_of(plan.ledger) + "/ledger-replaced-" + at.rfc3339();
  if (replaces) report.moved_aside = aside;
  const auto prepared = [&]() -> Status {
    const int file = open(copy.c_str(), O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (file < 0) return failed("create", copy);
    close(file);
    {
      ASSIGN_OR_RETURN(Connection source, Connection::open(plan.backup, Connection::Access::Immutable));
      RETURN_IF_ERROR(copy_database(source, copy, [&progress](std::uint64_t done, std::uint64_t all) {
        if (progress) progress("copy", done, all);
      }));
    }
    {
      ASSIGN_OR_RETURN(Connection connection, Connection::open(copy, Connection::Access::ReadWrite));
      RETURN_IF_ERROR(check_schema(connection));
    }
    RETURN_IF_ERROR(mark_restored(copy, plan, report.backup, report.moved_aside, at));
    ASSIGN_OR_RETURN(const std::unique_ptr<SqliteStore> store, SqliteStore::open(copy, clock));
    RETURN_IF_ERROR(follow_published(*store, plan, at, report.findings));
    report.head = store->head();
    return ok();
  };
  Status done = prepared();
  if (done) done = check_folded(copy);
  if (done) {
    const Result<FileReport> verified = verify_file(copy, {}, progress);
    if (!verified) done = verified.error();
  }
  if (done) done = give_to_owner(copy, plan.ledger);
  if (done) done = sync_file(copy);
  if (done && replaces) done = move_aside(plan.ledger, aside);
  if (done && renameat2(AT_FDCWD, copy.c_str(), AT_FDCWD, plan.ledger.c_str(), RENAME_NOREPLACE) != 0) {
    done = failed("put in place", plan.ledger);
  }
  remove_copy(copy);
  RETURN_IF_ERROR(done);
  RETURN_IF_ERROR(sync_directory(folder_of(plan.ledger)));
  return report;
}

}  // namespace countersign::ledger
