#include "signer/ledger/sqlite_integrity.h"

#include <string>

#include "signer/ledger/findings.h"
#include "signer/ledger/leaf.h"
#include "signer/ledger/record_row.h"
#include "signer/ledger/sqlite_schema.h"

namespace countersign::ledger {
namespace {

constexpr const char* kRecords = "SELECT " COUNTERSIGN_RECORD_COLUMNS
                                 ", l.hash FROM records r LEFT JOIN leaves l ON l.idx = r.idx "
                                 "WHERE r.idx >= ? ORDER BY r.idx";
constexpr const char* kRedemption = "SELECT token_digest, idx FROM redemptions WHERE token_id = ?";
constexpr const char* kExecution = "SELECT idx FROM executions WHERE trace = ?";
constexpr const char* kRedemptions = "SELECT count(*) FROM redemptions WHERE idx >= ?";
constexpr const char* kExecutions = "SELECT count(*) FROM executions WHERE idx >= ?";
constexpr const char* kDecisions =
    "SELECT d.idx, d.intent, d.policy, d.trace, d.verdict, r.effects FROM decisions d LEFT JOIN records r "
    "ON r.idx = d.idx WHERE d.idx >= ?";
constexpr const char* kKeys =
    "SELECT k.kid, k.role, k.algorithm, k.state, r.body FROM keys k LEFT JOIN records r ON r.idx = k.idx";
constexpr const char* kPages = "PRAGMA integrity_check(1)";
constexpr const char* kIndexed[] = {
    "PRAGMA integrity_check(redemptions)", "PRAGMA integrity_check(executions)", "PRAGMA integrity_check(decisions)",
    "PRAGMA integrity_check(minted)",      "PRAGMA integrity_check(intents)",    "PRAGMA integrity_check(idempotency)",
    "PRAGMA integrity_check(keys)",
};
constexpr const char* kObjects = "SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY name";
constexpr const char* kApplication = "PRAGMA application_id";
constexpr const char* kVersion = "PRAGMA user_version";

constexpr std::string_view kDecisionMember = R"({"decision":)";

std::string at_record(std::uint64_t index) {
  return "record " + std::to_string(index);
}

Result<std::int64_t> one_integer(Connection& connection, const char* sql) {
  Query row(connection, sql);
  if (!row.next()) return connection.failure("read the ledger");
  return row.integer(0);
}

Result<std::int64_t> count_from(Connection& connection, const char* sql, std::uint64_t first) {
  Query row(connection, sql, first);
  if (!row.next()) return connection.failure("read the ledger");
  return row.integer(0);
}

Status check_redemption(Connection& connection, const Redemption& redemption, std::uint64_t index) {
  Query row(connection, kRedemption, redemption.token_id);
  if (row.next() && row.digest(0) == redemption.token_digest && row.number(1) == index) return ok();
  if (!row.good()) return connection.failure("read the redemptions");
  return corrupt(at_record(index) + " redeemed token " + redemption.token_id + ", the table of redemptions differs");
}

Status check_execution(Connection& connection, const Digest& trace, std::uint64_t index) {
  Query row(connection, kExecution, trace);
  if (row.next() && row.number(0) == index) return ok();
  if (!row.good()) return connection.failure("read the executions");
  return corrupt(at_record(index) + " executed a permit, the table of executions differs");
}

// `decided`: how many of the records from `first` on carry a decision.
Status check_decisions(Connection& connection, std::uint64_t first, std::uint64_t decided) {
  std::uint64_t rows_seen = 0;
  Query rows(connection, kDecisions, first);
  while (rows.next()) {
    const std::optional<statement::Verdict> verdict = statement::verdict_named(rows.text(4));
    if (!verdict ||
        !rows.text(5).starts_with(decision_prefix(rows.digest(1), rows.digest(2), rows.digest(3), *verdict))) {
      return corrupt(at_record(rows.number(0)) + " has another decision than the table of decisions");
    }
    ++rows_seen;
  }
  if (!rows.good()) return connection.failure("read the decisions");
  if (rows_seen != decided) return corrupt("the table of decisions is incomplete");
  return ok();
}

// A handful of rows: all of them, whatever `first` was.
Status check_keys(Connection& connection) {
  Query rows(connection, kKeys);
  while (rows.next()) {
    const Result<Json> body = Json::parse(rows.text(4));
    if (!body || body->text("kid") != rows.text(0) || body->text("role") != rows.text(1) ||
        body->text("algorithm") != rows.text(2) || body->text("state") != rows.text(3)) {
      return corrupt("the row of key " + std::string(rows.text(0)) + " is not what its record says");
    }
  }
  if (!rows.good()) return connection.failure("read the keys");
  return ok();
}

Status run_check(Connection& connection, const char* pragma) {
  Query row(connection, pragma);
  if (!row.next()) return connection.failure("check the pages");
  if (row.text(0) != "ok") return corrupt("SQLite finds: " + std::string(row.text(0)));
  return ok();
}

std::vector<std::string> objects_of(Connection& connection) {
  std::vector<std::string> objects;
  Query rows(connection, kObjects);
  while (rows.next()) objects.emplace_back(rows.text(0));
  return objects;
}

}  // namespace

Status check_schema(Connection& connection) {
  ASSIGN_OR_RETURN(const std::int64_t application, one_integer(connection, kApplication));
  ASSIGN_OR_RETURN(const std::int64_t version, one_integer(connection, kVersion));
  if (application != kApplicationId) {
    return corrupt("the file is a SQLite database, but no ledger");
  }
  if (version != kSchemaVersion) {
    return Error{ErrorCode::Refused,
                 "the ledger has schema version " + std::to_string(version) + ", this program writes " +
                     std::to_string(kSchemaVersion),
                 "ledger_version", "Run the version of the program that made it, or migrate by the release notes."};
  }
  // A dropped unique index would let a token be redeemed twice without any hash being wrong.
  ASSIGN_OR_RETURN(Connection pattern, Connection::open(":memory:", Connection::Access::Create));
  RETURN_IF_ERROR(pattern.execute(kSchema));
  if (objects_of(connection) != objects_of(pattern)) {
    return corrupt("the tables of the ledger are not the ones it was made with");
  }
  return ok();
}

Result<Verification> check_records(Connection& connection, const TreeHead& head, const CheckedRecords& range) {
  Verification seen;
  seen.head = head;
  std::uint64_t next = range.compared_from;
  std::uint64_t decided = 0;
  Query rows(connection, kRecords, range.compared_from);
  while (rows.next()) {
    if (rows.number(0) != next) return truncated(at_record(next) + " is missing");
    const std::string_view effects = rows.text(kEffectsColumn);
    if (next >= range.hashed_from) {
      const Result<std::string> leaf = leaf_of(record_in(rows), sha256(rows.blob(kBodyColumn)), next, effects);
      if (!leaf || log::leaf_hash(view_of(*leaf)) != rows.digest(kAfterRecord)) {
        return forked(at_record(next) + " is not the one whose hash is in the tree");
      }
    }
    if (effects.starts_with(kDecisionMember)) ++decided;
    const Result<SingleUses> uses = single_uses_of(effects);
    if (!uses) return corrupt(at_record(next) + ": " + uses.error().detail);
    for (const Redemption& redemption : uses->redeemed) {
      RETURN_IF_ERROR(check_redemption(connection, redemption, next));
    }
    seen.redemptions += uses->redeemed.size();
    if (uses->executed) {
      RETURN_IF_ERROR(check_execution(connection, *uses->executed, next));
      ++seen.executions;
    }
    ++next;
  }
  if (!rows.good()) return connection.failure("read the records");
  if (next < head.size) return truncated(at_record(next) + " is missing");
  if (next > head.size) return forked("there are more records than the head says");
  ASSIGN_OR_RETURN(const std::int64_t redemptions, count_from(connection, kRedemptions, range.compared_from));
  ASSIGN_OR_RETURN(const std::int64_t executions, count_from(connection, kExecutions, range.compared_from));
  if (static_cast<std::uint64_t>(redemptions) != seen.redemptions ||
      static_cast<std::uint64_t>(executions) != seen.executions) {
    return corrupt("the tables hold redemptions or executions that no record made");
  }
  RETURN_IF_ERROR(check_decisions(connection, range.compared_from, decided));
  RETURN_IF_ERROR(check_keys(connection));
  return seen;
}

Status check_indices(Connection& connection) {
  for (const char* check : kIndexed) RETURN_IF_ERROR(run_check(connection, check));
  return ok();
}

Status check_pages(Connection& connection) {
  return run_check(connection, kPages);
}

}  // namespace countersign::ledger
