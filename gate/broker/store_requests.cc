// BrokerStore's requests, and what people made of them: entries of the allow list, grants.
#include <limits>

#include "gate/broker/broker_store_state.h"

namespace countersign::broker {
namespace {

using sqlite::Connection;
using sqlite::Query;

Result<ToolRequest> request_of(std::string_view document) {
  ASSIGN_OR_RETURN(const Json json, Json::parse(document));
  ASSIGN_OR_RETURN(ToolRequest request, ToolRequest::from_json(json));
  request.stored = document;
  return request;
}

constexpr std::size_t kMostAtOnce = std::size_t{4} << 20;  // bytes of a page

std::vector<ToolRequest> requests_in(Query& row, std::size_t most = SIZE_MAX) {
  std::vector<ToolRequest> found;
  std::size_t bytes = 0;
  while (bytes < most && row.next()) {
    bytes += row.text(0).size();
    if (Result<ToolRequest> request = request_of(row.text(0))) found.push_back(*std::move(request));
  }
  return found;
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

}  // namespace

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

std::vector<ToolRequest> BrokerStore::requests(RequestStatus status) const {
  const std::lock_guard lock(state_->mutex);
  const std::string wanted(name_of(status));
  Query row(state_->connection, "SELECT document FROM requests WHERE status = ? ORDER BY at, id", wanted);
  return requests_in(row);
}

std::vector<std::string> BrokerStore::requests_after(std::string_view id, std::size_t most) const {
  const std::lock_guard lock(state_->mutex);
  Query row(
      state_->connection,
      "SELECT document FROM requests WHERE rowid > CASE WHEN ? = '' THEN 0 ELSE (SELECT rowid FROM requests WHERE "
      "id = ?) END ORDER BY rowid LIMIT ?",
      id, id, most);
  std::vector<std::string> found;
  for (std::size_t bytes = 0; bytes < kMostAtOnce && row.next(); bytes += found.back().size()) {
    found.emplace_back(row.text(0));
  }
  return found;
}

std::vector<ToolRequest> BrokerStore::newest_ended(std::size_t most) const {
  const std::lock_guard lock(state_->mutex);
  Query row(state_->connection, "SELECT document FROM requests WHERE status <> 'pending' ORDER BY rowid DESC LIMIT ?",
            most);
  return requests_in(row, kMostAtOnce);
}

std::optional<ToolRequest> BrokerStore::last_used(const ToolRequest& beside) const {
  const std::lock_guard lock(state_->mutex);
  Query row(state_->connection,
            "SELECT document FROM requests WHERE status = 'used' AND agent = ? AND tool = ? AND id <> ? ORDER BY at "
            "DESC, rowid DESC LIMIT 1",
            beside.agent, beside.tool, beside.id);
  std::vector<ToolRequest> found = requests_in(row);
  return found.empty() ? std::nullopt : std::optional(std::move(found.front()));
}

std::vector<ToolRequest> BrokerStore::unreviewed() const {
  const std::lock_guard lock(state_->mutex);
  // Only an emergency's grant is of any arguments.
  Query row(state_->connection,
            "SELECT r.document FROM grants AS g JOIN requests AS r ON r.id = g.request WHERE g.args_digest = '' AND "
            "json_extract(r.document, '$.review') IS NULL ORDER BY r.at");
  return requests_in(row);
}

std::optional<ToolRequest> BrokerStore::newest(std::string_view agent, std::string_view tool,
                                               std::string_view args_digest) const {
  const std::lock_guard lock(state_->mutex);
  Query row(
      state_->connection,
      // By the order in which they came: a clock that was set back would make an older one the newest.
      "SELECT document FROM requests WHERE agent = ? AND tool = ? AND args_digest = ? ORDER BY rowid DESC LIMIT 1",
      agent, tool, args_digest);
  if (!row.next()) return std::nullopt;
  Result<ToolRequest> request = request_of(row.text(0));
  return request ? std::optional(*std::move(request)) : std::nullopt;
}

std::int64_t BrokerStore::open_requests(std::string_view agent) const {
  const std::lock_guard lock(state_->mutex);
  // By the index of those that are open: without it SQLite goes through all that the agent ever asked.
  Query row(state_->connection,
            "SELECT count(*) FROM requests INDEXED BY one_open_request WHERE agent = ? AND status IN ('pending', "
            "'approved')",
            agent);
  return row.next() ? row.integer(0) : std::numeric_limits<std::int64_t>::max();  // unknown is too many
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
    const bool listed = state_->connection.changes() > 0;
    const UtcTime now = state_->clock.now();
    Query end(state_->connection,
              "UPDATE grants SET expires = ? WHERE agent = ? AND tool = ? AND expires > ? AND (uses_left IS NULL OR "
              "uses_left > 0)",
              now, agent, tool, now);
    RETURN_IF_ERROR(end.run());
    if (listed || state_->connection.changes() > 0) return ok();
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

std::optional<BrokerStore::UsedGrant> BrokerStore::fitting_grant(std::string_view agent, std::string_view tool,
                                                                 std::string_view args_digest,
                                                                 std::string_view definition_digest,
                                                                 std::string_view policy_digest) const {
  const std::lock_guard lock(state_->mutex);
  Query row(state_->connection,
            "SELECT id, args_digest = '' FROM grants WHERE agent = ? AND tool = ? AND args_digest IN (?, '') AND "
            "definition_digest = ? AND "
            "policy_digest = ? AND expires > ? AND (uses_left IS NULL OR uses_left > 0) ORDER BY args_digest = '', "
            "expires LIMIT 1",
            agent, tool, args_digest, definition_digest, policy_digest, state_->clock.now());
  if (!row.next()) return std::nullopt;
  return UsedGrant{std::string(row.text(0)), row.integer(1) != 0};
}

Result<std::optional<BrokerStore::UsedGrant>> BrokerStore::use_grant(std::string_view agent, std::string_view tool,
                                                                     std::string_view args_digest,
                                                                     std::string_view definition_digest,
                                                                     std::string_view policy_digest) {
  const std::optional<UsedGrant> fitting = fitting_grant(agent, tool, args_digest, definition_digest, policy_digest);
  if (!fitting) return std::optional<UsedGrant>();
  const UsedGrant& grant = *fitting;
  bool used = false;
  AuditEvent event{"grant_used",
                   {{"grant_id", grant.id}, {"agent_id", std::string(agent)}, {"tool_id", std::string(tool)}}};
  const Status done = change(std::move(event), [&](Connection&) -> Status {
    // Another call may have been quicker, or somebody revoked it.
    Query take(state_->connection,
               "UPDATE grants SET uses_left = uses_left - 1 WHERE id = ? AND expires > ? AND (uses_left IS NULL OR "
               "uses_left > 0)",
               grant.id, state_->clock.now());
    RETURN_IF_ERROR(take.run());
    used = state_->connection.changes() == 1;
    if (used) return ok();
    return Error{ErrorCode::Conflict, "the grant has no use left"};
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

bool BrokerStore::has_automatic(const AutoApproval& approval) const {
  const std::lock_guard lock(state_->mutex);
  Query row(state_->connection, "SELECT uses FROM automatic WHERE pattern = ?", approval.pattern);
  return !is_over(approval, row.next() ? row.integer(0) : 0, state_->clock.now());
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
      return Error{ErrorCode::Conflict, "the automatic approval is over"};
    }
    used = true;
    Query count(state_->connection, "INSERT OR REPLACE INTO automatic(pattern, uses) VALUES (?, ?)", approval.pattern,
                uses + 1);
    return count.run();
  });
  if (used && !done) return done.error();
  return used;
}

}  // namespace countersign::broker
