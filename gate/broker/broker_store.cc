#include "gate/broker/broker_store.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <mutex>

#include "common/locked_file.h"
#include "common/sqlite/connection.h"

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
CREATE INDEX requests_of_a_call ON requests(agent, tool, args_digest, at);
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

Result<ToolRequest> request_of(std::string_view document) {
  ASSIGN_OR_RETURN(const Json json, Json::parse(document));
  ASSIGN_OR_RETURN(ToolRequest request, ToolRequest::from_json(json));
  request.stored = document;
  return request;
}

// Two people who decide at the same moment both read the request before either writes it: the second one's change is
// of something that is gone.
Status write_request(Connection& connection, const ToolRequest& request) {
  const std::string document = request.to_json().compact();
  const std::string status(name_of(request.status));
  Query update(connection, "UPDATE requests SET status = ?, document = ? WHERE id = ? AND document = ?", status,
               document, request.id, request.stored);
  RETURN_IF_ERROR(update.run());
  if (connection.changes() == 1) return ok();
  Query row(connection, "SELECT 1 FROM requests WHERE id = ?", request.id);
  if (row.next()) {
    return Error{ErrorCode::Conflict, "request " + request.id + " was changed by somebody else meanwhile",
                 "request_changed", "look at it again: countersign broker pending"};
  }
  return Error{ErrorCode::NotFound, "there is no request " + request.id, "unknown_request"};
}

Definition definition_of(Query& row) {
  Definition found;
  found.tool = row.text(0);
  found.digest = row.text(1);
  if (const Result<Json> pinned = Json::parse(row.text(2))) found.pinned = *pinned;
  found.offered = row.text(3);
  if (const Result<Json> offered = Json::parse(row.text(4))) found.offered_definition = *offered;
  return found;
}

Status check_mode(const std::string& path) {
  struct stat facts {};
  if (::stat(path.c_str(), &facts) != 0 || (facts.st_mode & 077) == 0) return ok();
  return Error{ErrorCode::Refused, path + " can be read or written by others", "broker_store_exposed",
               "chmod 0600 " + path};
}

}  // namespace

struct BrokerStore::State {
  State(Connection opened, LockedFile locked, const Clock& time)
      : connection(std::move(opened)), lock(std::move(locked)), clock(time) {}
  std::mutex mutex;
  Connection connection;  // guarded by mutex, as all that follows
  LockedFile lock;        // one broker for a database
  const Clock& clock;
  std::uint64_t size = 0;
  Digest head{};
  std::function<void(std::string_view)> told;
};

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

Status BrokerStore::change(AuditEvent event, const Act& act) {
  State& state = *state_;
  const std::lock_guard lock(state.mutex);
  Json body = Json(std::move(event.members));
  body.set("index", state.size);
  body.set("at", state.clock.now().rfc3339());
  body.set("event", event.event);
  const std::string text = body.canonical();
  const Digest hash = chained(state.head, text);
  RETURN_IF_ERROR(in_transaction(state.connection, [&](Connection& connection) -> Status {
    RETURN_IF_ERROR(act(connection));
    Query insert(connection, "INSERT INTO audit(idx, body, hash) VALUES (?, ?, ?)", state.size, text, hash);
    return insert.run();
  }));
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

Status BrokerStore::add(const ToolRequest& request, AuditEvent event) {
  const std::string document = request.to_json().compact();
  const std::string status(name_of(request.status));
  return change(std::move(event), [&](Connection&) -> Status {
    Query insert(
        state_->connection,
        "INSERT INTO requests(id, agent, tool, args_digest, status, at, document) VALUES (?, ?, ?, ?, ?, ?, ?)",
        request.id, request.agent, request.tool, request.args_digest, status, request.requested_at, document);
    const Status inserted = insert.run();
    if (inserted || !insert.refused()) return inserted;
    return Error{ErrorCode::Conflict, "a request of this call is open already", "request_open"};
  });
}

Status BrokerStore::update(const ToolRequest& request, AuditEvent event) {
  return change(std::move(event), [&](Connection&) { return write_request(state_->connection, request); });
}

Result<ToolRequest> BrokerStore::request(std::string_view id) const {
  const std::lock_guard lock(state_->mutex);
  Query row(state_->connection, "SELECT document FROM requests WHERE id = ?", id);
  if (row.next()) return request_of(row.text(0));
  return Error{ErrorCode::NotFound, "there is no request \"" + std::string(id) + "\"", "unknown_request",
               "countersign broker pending lists those that wait"};
}

std::vector<ToolRequest> BrokerStore::requests(std::optional<RequestStatus> status) const {
  const std::lock_guard lock(state_->mutex);
  const std::string wanted(status ? name_of(*status) : std::string_view("%"));
  std::vector<ToolRequest> found;
  Query row(state_->connection, "SELECT document FROM requests WHERE status LIKE ? ORDER BY at, id", wanted);
  while (row.next()) {
    if (Result<ToolRequest> request = request_of(row.text(0))) found.push_back(*std::move(request));
  }
  return found;
}

std::optional<ToolRequest> BrokerStore::newest(std::string_view agent, std::string_view tool,
                                               std::string_view args_digest) const {
  const std::lock_guard lock(state_->mutex);
  Query row(
      state_->connection,
      "SELECT document FROM requests WHERE agent = ? AND tool = ? AND args_digest = ? ORDER BY at DESC, rowid DESC "
      "LIMIT 1",
      agent, tool, args_digest);
  if (!row.next()) return std::nullopt;
  Result<ToolRequest> request = request_of(row.text(0));
  return request ? std::optional(*std::move(request)) : std::nullopt;
}

std::int64_t BrokerStore::open_requests(std::string_view agent) const {
  const std::lock_guard lock(state_->mutex);
  Query row(state_->connection, "SELECT count(*) FROM requests WHERE agent = ? AND status IN ('pending', 'approved')",
            agent);
  return row.next() ? row.integer(0) : 0;
}

Status BrokerStore::allow(const ToolRequest& request, AuditEvent event) {
  return change(std::move(event), [&](Connection&) -> Status {
    RETURN_IF_ERROR(write_request(state_->connection, request));
    Query insert(state_->connection, "INSERT OR REPLACE INTO allowed(agent, tool, request, at) VALUES (?, ?, ?, ?)",
                 request.agent, request.tool, request.id, state_->clock.now());
    return insert.run();
  });
}

Status BrokerStore::disallow(std::string_view agent, std::string_view tool, AuditEvent event) {
  return change(std::move(event), [&](Connection&) -> Status {
    Query remove(state_->connection, "DELETE FROM allowed WHERE agent = ? AND tool = ?", agent, tool);
    RETURN_IF_ERROR(remove.run());
    if (state_->connection.changes() > 0) return ok();
    return Error{ErrorCode::NotFound, "nobody allowed " + std::string(tool) + " to " + std::string(agent),
                 "unknown_entry"};
  });
}

std::optional<std::string> BrokerStore::allowed_by(std::string_view agent, std::string_view tool) const {
  const std::lock_guard lock(state_->mutex);
  Query row(state_->connection, "SELECT request FROM allowed WHERE agent = ? AND tool = ?", agent, tool);
  return row.next() ? std::optional(std::string(row.text(0))) : std::nullopt;
}

Json BrokerStore::allowed() const {
  const std::lock_guard lock(state_->mutex);
  Json::Array rows;
  Query row(state_->connection, "SELECT agent, tool, request, at FROM allowed ORDER BY agent, tool");
  while (row.next()) {
    rows.push_back(Json::object({{"agent_id", row.text(0)},
                                 {"tool_id", row.text(1)},
                                 {"request_id", row.text(2)},
                                 {"at", row.time(3).rfc3339()}}));
  }
  return rows;
}

Status BrokerStore::add(const Grant& grant, const ToolRequest& request, AuditEvent event) {
  return change(std::move(event), [&](Connection&) -> Status {
    RETURN_IF_ERROR(write_request(state_->connection, request));
    Query insert(state_->connection,
                 "INSERT INTO grants(id, request, agent, tool, args_digest, definition_digest, policy_digest, expires, "
                 "uses_left) VALUES (?, ?, ?, ?, ?, ?, ?, ?, nullif(?, -1))",
                 grant.id, grant.request, grant.agent, grant.tool, grant.args_digest, grant.definition_digest,
                 grant.policy_digest, grant.expires_at, grant.uses_left.value_or(-1));
    return insert.run();
  });
}

Result<std::optional<BrokerStore::UsedGrant>> BrokerStore::use_grant(std::string_view agent, std::string_view tool,
                                                                     std::string_view args_digest,
                                                                     std::string_view definition_digest,
                                                                     std::string_view policy_digest) {
  UsedGrant grant;
  {
    const std::lock_guard lock(state_->mutex);
    Query row(state_->connection,
              "SELECT id, args_digest = '' FROM grants WHERE agent = ? AND tool = ? AND args_digest IN (?, '') AND "
              "definition_digest = ? AND "
              "policy_digest = ? AND expires > ? AND (uses_left IS NULL OR uses_left > 0) ORDER BY args_digest = '', "
              "expires LIMIT 1",
              agent, tool, args_digest, definition_digest, policy_digest, state_->clock.now());
    if (!row.next()) return std::optional<UsedGrant>();
    grant.id = row.text(0);
    grant.break_glass = row.integer(1) != 0;
  }
  bool used = false;
  AuditEvent event{"grant_used",
                   {{"grant_id", grant.id}, {"agent_id", std::string(agent)}, {"tool_id", std::string(tool)}}};
  const Status done = change(std::move(event), [&](Connection&) -> Status {
    // Another call may have been quicker.
    Query take(state_->connection,
               "UPDATE grants SET uses_left = uses_left - 1 WHERE id = ? AND (uses_left IS NULL OR uses_left > 0)",
               grant.id);
    RETURN_IF_ERROR(take.run());
    used = state_->connection.changes() == 1;
    if (used) return ok();
    return Error{ErrorCode::Conflict, "the grant has no use left", "grant_spent"};
  });
  if (used) return done ? Result<std::optional<UsedGrant>>(std::optional(grant)) : done.error();
  return std::optional<UsedGrant>();
}

Json BrokerStore::grants() const {
  const std::lock_guard lock(state_->mutex);
  Json::Array rows;
  Query row(state_->connection,
            "SELECT id, request, agent, tool, args_digest, uses_left, expires FROM grants ORDER BY expires");
  while (row.next()) {
    rows.push_back(Json::object({{"grant_id", row.text(0)},
                                 {"request_id", row.text(1)},
                                 {"agent_id", row.text(2)},
                                 {"tool_id", row.text(3)},
                                 {"args_digest", row.text(4)},
                                 {"uses_left", row.is_null(5) ? Json() : Json(row.integer(5))},
                                 {"expires_at", row.time(6).rfc3339()}}));
  }
  return rows;
}

Result<bool> BrokerStore::use_automatic(const AutoApproval& approval) {
  bool used = false;
  AuditEvent event{"automatic_approval_used", {{"pattern", approval.pattern}}};
  const Status done = change(std::move(event), [&](Connection&) -> Status {
    std::int64_t uses = 0;
    {
      Query row(state_->connection, "SELECT uses FROM automatic WHERE pattern = ?", approval.pattern);
      if (row.next()) uses = row.integer(0);
    }
    if (is_over(approval, uses, state_->clock.now())) {
      return Error{ErrorCode::Conflict, "the automatic approval is over", "automatic_over"};
    }
    used = true;
    Query count(state_->connection, "INSERT OR REPLACE INTO automatic(pattern, uses) VALUES (?, ?)", approval.pattern,
                uses + 1);
    return count.run();
  });
  if (used && !done) return done.error();
  return used;
}

std::optional<Definition> BrokerStore::definition(std::string_view tool) const {
  const std::lock_guard lock(state_->mutex);
  Query row(state_->connection,
            "SELECT tool, digest, pinned, offered, offered_definition FROM definitions WHERE tool = ?", tool);
  if (!row.next()) return std::nullopt;
  return definition_of(row);
}

bool BrokerStore::knows_tools_of(std::string_view server) const {
  const std::lock_guard lock(state_->mutex);
  const std::string prefix = std::string(server) + ":";
  Query row(state_->connection, "SELECT 1 FROM definitions WHERE substr(tool, 1, ?) = ? LIMIT 1", prefix.size(),
            prefix);
  return row.next();
}

std::vector<Definition> BrokerStore::quarantined() const {
  const std::lock_guard lock(state_->mutex);
  std::vector<Definition> found;
  Query row(
      state_->connection,
      "SELECT tool, digest, pinned, offered, offered_definition FROM definitions WHERE offered <> '' ORDER BY tool");
  while (row.next()) found.push_back(definition_of(row));
  return found;
}

Status BrokerStore::pin(const Definition& definition, AuditEvent event) {
  const std::string pinned = definition.pinned.compact();
  const std::string offered = definition.offered_definition.compact();
  return change(std::move(event), [&](Connection&) {
    Query insert(state_->connection,
                 "INSERT OR REPLACE INTO definitions(tool, digest, pinned, offered, offered_definition) "
                 "VALUES (?, ?, ?, ?, ?)",
                 definition.tool, definition.digest, pinned, definition.offered, offered);
    return insert.run();
  });
}

Status BrokerStore::put_proposal(std::string_view id, std::int64_t version, const Json& proposal, AuditEvent event) {
  const std::string document = proposal.compact();
  return change(std::move(event), [&](Connection&) {
    Query insert(state_->connection, "INSERT OR REPLACE INTO proposals(id, version, document) VALUES (?, ?, ?)", id,
                 version, document);
    return insert.run();
  });
}

std::optional<Json> BrokerStore::proposal(std::string_view id) const {
  const std::lock_guard lock(state_->mutex);
  Query row(state_->connection, "SELECT document FROM proposals WHERE id = ? ORDER BY version DESC LIMIT 1", id);
  if (!row.next()) return std::nullopt;
  Result<Json> document = Json::parse(row.text(0));
  return document ? std::optional(*std::move(document)) : std::nullopt;
}

std::vector<Json> BrokerStore::proposals() const {
  const std::lock_guard lock(state_->mutex);
  std::vector<Json> found;
  Query row(state_->connection,
            "SELECT document FROM proposals AS p WHERE version = (SELECT max(version) FROM proposals WHERE id = p.id) "
            "ORDER BY id");
  while (row.next()) {
    if (Result<Json> document = Json::parse(row.text(0))) found.push_back(*std::move(document));
  }
  return found;
}

bool BrokerStore::is_approved(std::string_view server, Proposed by, std::string_view value) const {
  const std::lock_guard lock(state_->mutex);
  const bool url = by == Proposed::Url;
  const std::string_view member = url ? "$.source_id" : "$.digest";
  // A decision writes its row anew, so that the last one decided has the largest rowid.
  Query row(
      state_->connection,
      "SELECT json_extract(document, '$.status') FROM proposals WHERE json_extract(document, '$.server_name') = ? "
      "AND (json_extract(document, '$.source') = 'url') = ? AND json_extract(document, ?) = ? "
      "AND json_extract(document, '$.status') <> 'pending' ORDER BY rowid DESC LIMIT 1",
      server, std::int64_t{url}, member, value);
  return row.next() && row.text(0) == "approved";
}

std::uint64_t BrokerStore::size() const {
  const std::lock_guard lock(state_->mutex);
  return state_->size;
}

std::vector<AuditRecord> BrokerStore::audit(std::uint64_t first, std::size_t most) const {
  const std::lock_guard lock(state_->mutex);
  std::vector<AuditRecord> records;
  Query row(state_->connection, "SELECT idx, body, hash FROM audit WHERE idx >= ? ORDER BY idx LIMIT ?", first, most);
  while (row.next()) records.push_back({row.number(0), std::string(row.text(1)), row.digest(2)});
  return records;
}

Result<AuditVerification> BrokerStore::verify() const {
  constexpr std::size_t kAtOnce = 1000;
  AuditVerification seen;
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
