#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "gate/broker/broker_store_state.h"

namespace countersign::broker {
namespace {

using sqlite::Connection;
using sqlite::Query;

constexpr int kApplicationId = 0x43536272;  // "CSbr"
constexpr const char* kDomain = "countersign-broker-audit\n";
constexpr const char* kSettings =
    "PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; PRAGMA journal_mode = WAL; PRAGMA cell_size_check = ON;";
// One request of a call is open at a time; a grant never goes below no uses.
constexpr const char* kTables = R"(
CREATE TABLE audit(idx INTEGER PRIMARY KEY, body TEXT NOT NULL, hash BLOB NOT NULL) STRICT;
CREATE TABLE requests(
  id TEXT PRIMARY KEY,
  agent TEXT NOT NULL,
  tool TEXT NOT NULL,
  args_digest TEXT NOT NULL,
  status TEXT NOT NULL,
  at INTEGER NOT NULL,
  document TEXT NOT NULL
) STRICT;
CREATE UNIQUE INDEX one_open_request ON requests(agent, tool, args_digest) WHERE status IN ('pending', 'approved');
CREATE TABLE allowed(
  agent TEXT NOT NULL,
  tool TEXT NOT NULL,
  request TEXT NOT NULL,
  at INTEGER NOT NULL,
  PRIMARY KEY (agent, tool)
) STRICT, WITHOUT ROWID;
CREATE TABLE grants(
  id TEXT PRIMARY KEY,
  request TEXT NOT NULL,
  agent TEXT NOT NULL,
  tool TEXT NOT NULL,
  args_digest TEXT NOT NULL,
  definition_digest TEXT NOT NULL,
  policy_digest TEXT NOT NULL,
  uses_left INTEGER CHECK (uses_left IS NULL OR uses_left >= 0),
  expires INTEGER NOT NULL
) STRICT;
CREATE INDEX grants_of_a_call ON grants(agent, tool, args_digest);
CREATE TABLE automatic(pattern TEXT PRIMARY KEY, uses INTEGER NOT NULL) STRICT;
CREATE TABLE definitions(
  tool TEXT PRIMARY KEY,
  digest TEXT NOT NULL,
  pinned TEXT NOT NULL,
  offered TEXT NOT NULL,
  offered_definition TEXT NOT NULL
) STRICT;
CREATE TABLE proposals(
  id TEXT NOT NULL,
  version INTEGER NOT NULL,
  document TEXT NOT NULL,
  PRIMARY KEY (id, version)
) STRICT;
)";

// Made at every start, for those of before as well: what is looked for must not cost a look at all that ever was.
constexpr const char* kIndexes = R"(
DROP INDEX IF EXISTS requests_of_a_call;
CREATE INDEX IF NOT EXISTS requests_of_one_call ON requests(agent, tool, args_digest);
CREATE INDEX IF NOT EXISTS requests_by_status ON requests(status, at);
CREATE INDEX IF NOT EXISTS used_requests ON requests(agent, tool, at) WHERE status = 'used';
CREATE INDEX IF NOT EXISTS emergencies ON grants(request) WHERE args_digest = '';
)";

Digest chained(const Digest& before, std::string_view body) {
  return sha256({view_of(kDomain), before.bytes(), view_of(body)});
}

Error broken(std::uint64_t index, const std::string& what) {
  return Error{ErrorCode::Refused, "record " + std::to_string(index) + " of the broker's audit " + what, "audit_broken",
               "somebody changed broker.db: keep it for an inquiry, and restore a copy"};
}

Error failed(const Error& cause) {
  return Error{ErrorCode::Unavailable, "the broker cannot record what happens: " + cause.detail, "broker_store_failed",
               "look at the disk of broker.db; nothing was decided"};
}

Status check_mode(const std::string& path) {
  struct stat facts {};
  if (::stat(path.c_str(), &facts) != 0 || (facts.st_mode & 077) == 0) return ok();
  return Error{ErrorCode::Refused, path + " can be read or written by others", "broker_store_exposed",
               "chmod 0600 " + path};
}

}  // namespace

BrokerStore::BrokerStore(std::unique_ptr<State> state) : state_(std::move(state)) {}
BrokerStore::~BrokerStore() = default;

Result<std::unique_ptr<BrokerStore>> BrokerStore::open(const std::string& path, const Clock& clock) {
  Result<LockedFile> lock = LockedFile::open(path + ".lock", O_RDWR, 0600, LockedFile::Wait::No);
  if (!lock && lock.error().reason == "locked") {
    return Error{ErrorCode::Unavailable, "another broker has " + path + " open", "broker_store_in_use"};
  }
  if (!lock) return std::move(lock).error();
  RETURN_IF_ERROR(check_mode(path));
  const mode_t mask = ::umask(077);
  Result<Connection> connection = Connection::open(path, Connection::Access::Create, "broker_store");
  ::umask(mask);
  if (!connection) return failed(connection.error());
  RETURN_IF_ERROR(connection->execute(kSettings));
  auto state = std::make_unique<State>(*std::move(connection), *std::move(lock), clock);
  state->journal = path + "-wal";
  std::int64_t application = 0;
  std::int64_t tables = 0;
  {
    Query row(state->connection,
              "SELECT (SELECT application_id FROM pragma_application_id), count(*) FROM sqlite_schema");
    if (!row.next()) return failed(row.failure("read broker.db"));
    application = row.integer(0);
    tables = row.integer(1);
  }
  if (tables == 0) {
    const std::string make = std::string("BEGIN IMMEDIATE;") + kTables +
                             "PRAGMA application_id = " + std::to_string(kApplicationId) + "; COMMIT;";
    const Status made = state->connection.execute(make.c_str());
    if (!made) return failed(made.error());
  } else if (application != kApplicationId) {
    return Error{ErrorCode::Refused, path + " is a database, but no broker's", "broker_store_foreign"};
  }
  if (const Status made = state->connection.execute(kIndexes); !made) return failed(made.error());
  Query last(state->connection, "SELECT idx, body, hash FROM audit ORDER BY idx DESC LIMIT 2");
  if (last.next()) {
    const std::uint64_t index = last.number(0);
    const std::string body(last.text(1));
    const Digest hash = last.digest(2);
    const Digest before = last.next() ? last.digest(2) : Digest{};
    if (chained(before, body) != hash) return broken(index, "is not what its hash says");
    state->size = index + 1;
    state->head = hash;
  }
  return std::unique_ptr<BrokerStore>(new BrokerStore(std::move(state)));
}

namespace {

// What `act` refuses stays its own word; what fails is the store's.
Status in_transaction(Connection& connection, const BrokerStore::Act& act) {
  const auto steps = [&]() -> Status {
    RETURN_IF_ERROR(connection.execute("BEGIN IMMEDIATE"));
    RETURN_IF_ERROR(act(connection));
    return connection.execute("COMMIT");
  };
  const Status done = steps();
  if (done) return done;
  if (connection.in_transaction()) (void)connection.execute("ROLLBACK");
  const bool ours = done.error().code == ErrorCode::Conflict || done.error().code == ErrorCode::NotFound;
  return ours ? done : Status(failed(done.error()));
}

}  // namespace

// The journal's pages are the file's, whoever syncs it; SQLite holds no lock on it that closing would lose.
Status BrokerStore::State::settle() {
  if (!unsettled) return ok();
  const int file = ::open(journal.c_str(), O_RDWR | O_CLOEXEC);
  const bool synced = file >= 0 && ::fdatasync(file) == 0;
  const int why = errno;
  if (file >= 0) ::close(file);
  if (!synced) return failed(Error{ErrorCode::Unavailable, journal + ": " + std::strerror(why)});
  unsettled = false;
  return ok();
}

Status BrokerStore::settle() const {
  const std::lock_guard lock(state_->mutex);
  return state_->settle();
}

Status BrokerStore::change(AuditEvent event, const Act& act) {
  return change(std::move(event), act, Sync::Now);
}

Status BrokerStore::record_soon(AuditEvent event) {
  return change(
      std::move(event), [](Connection&) { return ok(); }, Sync::Soon);
}

Status BrokerStore::change(AuditEvent event, const Act& act, Sync sync) {
  State& state = *state_;
  const std::lock_guard lock(state.mutex);
  Json body = Json(std::move(event.members));
  body.set("index", state.size);
  body.set("at", state.clock.now().rfc3339());
  body.set("event", event.event);
  const std::string text = body.canonical();
  const Digest hash = chained(state.head, text);
  const auto write = [&] {
    return in_transaction(state.connection, [&](Connection& connection) -> Status {
      RETURN_IF_ERROR(act(connection));
      Query insert(connection, "INSERT INTO audit(idx, body, hash) VALUES (?, ?, ?)", state.size, text, hash);
      return insert.run();
    });
  };
  if (sync == Sync::Soon) RETURN_IF_ERROR(state.connection.execute("PRAGMA synchronous = NORMAL"));
  const Status written = write();
  if (sync == Sync::Soon) RETURN_IF_ERROR(state.connection.execute("PRAGMA synchronous = FULL"));
  RETURN_IF_ERROR(written);
  state.unsettled = sync == Sync::Soon;  // a commit that syncs the journal syncs what stood in it before
  ++state.size;
  state.head = hash;
  if (state.told) state.told(event.event);
  return ok();
}

Status BrokerStore::change(const Act& act) {
  const std::lock_guard lock(state_->mutex);
  return in_transaction(state_->connection, act);
}

void BrokerStore::read(const std::function<void(sqlite::Connection&)>& act) const {
  const std::lock_guard lock(state_->mutex);
  act(state_->connection);
}

void BrokerStore::when_recorded(std::function<void(std::string_view event)> told) {
  const std::lock_guard lock(state_->mutex);
  state_->told = std::move(told);
}

Status BrokerStore::record(AuditEvent event) {
  return change(std::move(event), [](Connection&) { return ok(); });
}

std::uint64_t BrokerStore::size() const {
  const std::lock_guard lock(state_->mutex);
  return state_->size;
}

std::vector<AuditRecord> BrokerStore::audit(std::uint64_t first, std::size_t most) const {
  const std::lock_guard lock(state_->mutex);
  std::vector<AuditRecord> records;
  if (!state_->settle()) return records;  // what might be lost is shown to nobody
  Query row(state_->connection, "SELECT idx, body, hash FROM audit WHERE idx >= ? ORDER BY idx LIMIT ?", first, most);
  while (row.next()) records.push_back({row.number(0), std::string(row.text(1)), row.digest(2)});
  return records;
}

Result<AuditVerification> BrokerStore::verify() const {
  constexpr std::size_t kAtOnce = 1000;
  AuditVerification seen;
  RETURN_IF_ERROR(settle());
  for (;;) {
    const std::vector<AuditRecord> records = audit(seen.records, kAtOnce);
    if (records.empty()) return seen;
    for (const AuditRecord& record : records) {
      if (record.index != seen.records) return broken(seen.records, "is missing");
      if (chained(seen.head, record.body) != record.hash) return broken(record.index, "is not what its hash says");
      seen.head = record.hash;
      ++seen.records;
    }
  }
}

}  // namespace countersign::broker
