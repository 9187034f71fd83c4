// BrokerStore's tools and servers: pinned definitions, proposals.
#include "gate/broker/broker_store_state.h"

namespace countersign::broker {
namespace {

using sqlite::Connection;
using sqlite::Query;

Definition definition_of(Query& row) {
  Definition found;
  found.tool = row.text(0);
  found.digest = row.text(1);
  if (const Result<Json> pinned = Json::parse(row.text(2))) found.pinned = *pinned;
  found.offered = row.text(3);
  if (const Result<Json> offered = Json::parse(row.text(4))) found.offered_definition = *offered;
  return found;
}

}  // namespace

std::optional<Definition> BrokerStore::definition(std::string_view tool) const {
  const std::lock_guard lock(state_->mutex);
  Query row(state_->connection,
            "SELECT tool, digest, pinned, offered, offered_definition FROM definitions WHERE tool = ?", tool);
  if (!row.next()) return std::nullopt;
  return definition_of(row);
}

std::optional<Definition> BrokerStore::definition_of_digest(std::string_view digest) const {
  const std::lock_guard lock(state_->mutex);
  Query row(
      state_->connection,
      "SELECT tool, digest, pinned, offered, offered_definition FROM definitions WHERE digest = ? AND digest <> '' "
      "LIMIT 1",
      digest);
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

std::optional<Json> BrokerStore::admitted(std::string_view server) const {
  const std::lock_guard lock(state_->mutex);
  Query row(state_->connection,
            "SELECT document FROM proposals WHERE json_extract(document, '$.server_name') = ? AND "
            "json_extract(document, '$.status') = 'approved' ORDER BY rowid DESC LIMIT 1",
            server);
  if (!row.next()) return std::nullopt;
  Result<Json> document = Json::parse(row.text(0));
  return document ? std::optional(*std::move(document)) : std::nullopt;
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

}  // namespace countersign::broker
