#include "signer/ledger/sqlite_integrity.h"

#include <algorithm>
#include <string>
#include <utility>

#include "signer/ledger/findings.h"
#include "signer/ledger/leaf.h"
#include "signer/ledger/record_row.h"
#include "signer/ledger/sqlite_decisions.h"

namespace countersign::ledger {
namespace {

constexpr const char* kRecords =
    "SELECT " COUNTERSIGN_RECORD_COLUMNS " FROM records r WHERE r.idx >= ? AND r.idx < ? ORDER BY r.idx";
constexpr const char* kBeyond = "SELECT 1 FROM records WHERE idx >= ? LIMIT 1";
constexpr const char* kRedemption = "SELECT token_digest, idx FROM redemptions WHERE token_id = ?";
constexpr const char* kExecution = "SELECT idx FROM executions WHERE trace = ?";
constexpr const char* kMinted = "SELECT token_digest, intent, policy, idx FROM minted WHERE token_id = ?";
constexpr const char* kRequirement = "SELECT idx, at FROM required WHERE intent = ? AND policy = ?";
constexpr const char* kRequirements =
    "SELECT q.intent, q.policy, q.idx, q.at, q.pending, r.effects FROM required q LEFT JOIN records r ON r.idx = q.idx "
    "WHERE (q.intent, q.policy) > (?, ?) ORDER BY q.intent, q.policy LIMIT ?";
constexpr const char* kRestore = "SELECT at FROM restores WHERE idx = ?";
constexpr const char* kRestores =
    "SELECT s.idx, s.at, r.at, r.kind FROM restores s LEFT JOIN records r ON r.idx = s.idx";
constexpr const char* kIntents = "SELECT rowid, json, checksum FROM intents WHERE rowid > ? ORDER BY rowid LIMIT ?";
constexpr const char* kAnswers =
    "SELECT rowid, answer, checksum FROM idempotency WHERE rowid > ? ORDER BY rowid LIMIT ?";
constexpr const char* kRedemptions = "SELECT count(*) FROM redemptions WHERE idx >= ? AND idx < ?";
constexpr const char* kExecutions = "SELECT count(*) FROM executions WHERE idx >= ? AND idx < ?";
constexpr const char* kKeys =
    "SELECT k.kid, k.role, k.algorithm, k.state, r.body FROM keys k LEFT JOIN records r ON r.idx = k.idx";
constexpr const char* kPages = "PRAGMA integrity_check(1)";
constexpr const char* kIndexed[kIndexedTables] = {
    "PRAGMA integrity_check(redemptions)", "PRAGMA integrity_check(executions)", "PRAGMA integrity_check(decisions)",
    "PRAGMA integrity_check(required)",    "PRAGMA integrity_check(minted)",     "PRAGMA integrity_check(intents)",
    "PRAGMA integrity_check(idempotency)", "PRAGMA integrity_check(keys)",
};
constexpr std::uint64_t kNoEnd = std::uint64_t{1} << 62;

std::string at_record(std::uint64_t index) {
  return "record " + std::to_string(index);
}

Result<std::uint64_t> count_between(Connection& connection, const char* sql, std::uint64_t first, std::uint64_t last) {
  Query row(connection, sql, first, last);
  if (!row.next()) return connection.failure("read the ledger");
  return row.number(0);
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

Status check_minted(Connection& connection, const MintedToken& token, std::uint64_t index) {
  Query row(connection, kMinted, token.token_id);
  if (row.next() && row.digest(0) == token.token_digest && row.digest(1) == token.intent_digest &&
      row.digest(2) == token.policy_digest && row.number(3) == index) {
    return ok();
  }
  if (!row.good()) return connection.failure("read the minted tokens");
  return corrupt(at_record(index) + " minted token " + token.token_id + ", the table of minted tokens differs");
}

// That it can be found, and, where it requires approval, that it is known to.
Status check_decision(Connection& connection, const Decision& decision, UtcTime at, std::uint64_t index,
                      std::uint64_t size) {
  if (index < size - size % kDecisionBlock) {
    ASSIGN_OR_RETURN(const bool there, has_place(connection, {intent_key(decision.intent_digest), index}));
    if (!there) return corrupt(at_record(index) + " decided on an intent, the table of decisions lacks it");
  }
  if (decision.verdict != statement::Verdict::RequireApproval) return ok();
  Query row(connection, kRequirement, decision.intent_digest, decision.policy_digest);
  if (row.next() && row.number(0) >= index && row.time(1) >= at) return ok();
  if (!row.good()) return connection.failure("read the required approvals");
  return corrupt(at_record(index) + " required an approval, the table of required approvals differs");
}

// What one record did beyond being there, against the tables. Counts into `seen`.
Status check_effects(Connection& connection, const Query& row, std::uint64_t index, std::uint64_t size, Seen& seen) {
  const std::string_view effects = row.text(kEffectsColumn);
  if (effects.empty()) return ok();
  const auto damaged = [index](const Error& error) { return corrupt(at_record(index) + ": " + error.detail); };
  const Result<std::optional<Decision>> decision = decision_of(effects);
  if (!decision) return damaged(decision.error());
  if (*decision) RETURN_IF_ERROR(check_decision(connection, **decision, row.time(1), index, size));
  const Result<SingleUses> uses = single_uses_of(effects);
  if (!uses) return damaged(uses.error());
  for (const Redemption& redemption : uses->redeemed) {
    RETURN_IF_ERROR(check_redemption(connection, redemption, index));
  }
  seen.redemptions += uses->redeemed.size();
  if (uses->executed) {
    RETURN_IF_ERROR(check_execution(connection, *uses->executed, index));
    ++seen.executions;
  }
  if (effects.find(R"("minted":{)") == std::string_view::npos) return ok();  // most are decisions alone
  const Result<std::optional<MintedToken>> minted = minted_of(effects);
  if (!minted) return damaged(minted.error());
  if (*minted) RETURN_IF_ERROR(check_minted(connection, **minted, index));
  return ok();
}

Result<Digest> leaf_hash_in(const Query& row, std::uint64_t index) {
  ASSIGN_OR_RETURN(const std::string leaf,
                   leaf_of(record_in(row), sha256(row.blob(kBodyColumn)), index, row.text(kEffectsColumn)));
  return log::leaf_hash(view_of(leaf));
}

// That a restore is known as one, and the oldest time.
Status check_kind(Connection& connection, const Query& row, std::uint64_t index, Seen& seen) {
  const UtcTime at = row.time(1);
  seen.oldest = seen.oldest ? std::min(*seen.oldest, at) : at;
  const std::string_view kind = row.text(2);
  if (kind == "time_reset") seen.time_reset = true;
  if (kind != kRestoredKind) return ok();
  Query known(connection, kRestore, index);
  if (known.next() && known.time(0) == at) return ok();
  if (!known.good()) return known.failure("read the restores");
  return corrupt(at_record(index) + " restored the ledger, the table of restores lacks it");
}

// Rows whose text is kept beside its checksum.
Status check_checksums(Connection& connection, const char* sql, std::string_view what, std::size_t limit,
                       TableCursor& cursor) {
  std::size_t count = 0;
  Query rows(connection, sql, cursor.row, limit);
  while (rows.next()) {
    cursor.row = rows.integer(0);
    if (sha256(rows.blob(1)) != rows.digest(2)) return corrupt(std::string(what) + " does not match its checksum");
    ++count;
  }
  if (!rows.good()) return rows.failure("read the ledger");
  cursor.done = count < limit;
  return ok();
}

Status run_check(Connection& connection, const char* pragma) {
  Query row(connection, pragma);
  if (!row.next()) return connection.failure("check the pages");
  if (row.text(0) != "ok") return corrupt("SQLite finds: " + std::string(row.text(0)));
  return ok();
}

}  // namespace

Result<Tail> read_tail(Connection& connection, const TreeHead& head) {
  Tail tail;
  const std::uint64_t tiled = head.size - head.size % kTile;
  std::uint64_t next = head.size - head.size % kDecisionBlock;
  Query rows(connection, kRecords, next, head.size);
  while (rows.next()) {
    if (rows.number(0) != next) return truncated(at_record(next) + " is missing");
    if (const std::optional<Digest> intent = decided_intent(rows.text(kEffectsColumn))) {
      tail.places.push_back({intent_key(*intent), next});
    }
    if (next >= tiled) {
      const Result<Digest> leaf = leaf_hash_in(rows, next);
      if (!leaf) return forked(at_record(next) + " is none that the ledger writes");
      tail.leaves.push_back(*leaf);
    }
    ++next;
  }
  if (!rows.good()) return rows.failure("read the records");
  if (next < head.size) return truncated(at_record(next) + " is missing");
  ASSIGN_OR_RETURN(tail.frontier, frontier_of(connection, head.size, tail.leaves));
  if (tail.frontier.root() != head.root) {
    return forked("the root of the " + std::to_string(head.size) + " records is not the one kept for them");
  }
  Query beyond(connection, kBeyond, head.size);
  if (beyond.next()) return forked("there are more records than the head says");
  if (!beyond.good()) return beyond.failure("read the records");
  return tail;
}

Result<Seen> check_records(Connection& connection, std::uint64_t first, std::uint64_t last, std::uint64_t size) {
  Seen seen;
  std::vector<Digest> tile;
  const std::uint64_t tiled = size - size % kTile;  // read_tail hashed what comes after
  std::uint64_t next = first;
  Query rows(connection, kRecords, first, last);
  while (rows.next()) {
    if (rows.number(0) != next) return truncated(at_record(next) + " is missing");
    if (next < tiled) {
      if (next % kTile == 0) {
        ASSIGN_OR_RETURN(tile, tile_at(connection, next / kTile));
        RETURN_IF_ERROR(check_tile(connection, next / kTile, tile));
      }
      const Result<Digest> leaf = leaf_hash_in(rows, next);
      if (!leaf || *leaf != tile[next % kTile]) {
        return forked(at_record(next) + " is not the one whose hash is in the tree");
      }
    }
    RETURN_IF_ERROR(check_kind(connection, rows, next, seen));
    RETURN_IF_ERROR(check_effects(connection, rows, next, size, seen));
    ++next;
  }
  if (!rows.good()) return connection.failure("read the records");
  if (next < last) return truncated(at_record(next) + " is missing");
  const std::uint64_t end = last == size ? kNoEnd : last;  // nor of a record that there is not
  ASSIGN_OR_RETURN(const std::uint64_t redemptions, count_between(connection, kRedemptions, first, end));
  ASSIGN_OR_RETURN(const std::uint64_t executions, count_between(connection, kExecutions, first, end));
  if (redemptions != seen.redemptions || executions != seen.executions) {
    return corrupt("the tables hold redemptions or executions that no record made");
  }
  return seen;
}

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

Status check_restores(Connection& connection) {
  Query rows(connection, kRestores);
  while (rows.next()) {
    if (rows.text(3) != kRestoredKind || rows.time(1) != rows.time(2)) {
      return corrupt(at_record(rows.number(0)) + " is no restore, as the table of restores says");
    }
  }
  if (!rows.good()) return rows.failure("read the restores");
  return ok();
}

Status check_required(Connection& connection, const Newest& newest, std::uint64_t size, std::size_t limit,
                      TableCursor& cursor) {
  std::size_t count = 0;
  const TableCursor after = cursor;
  Query rows(connection, kRequirements, ByteView(after.intent), ByteView(after.policy), limit);
  for (; rows.next(); ++count) {
    const Digest intent = rows.digest(0);
    const Digest policy = rows.digest(1);
    const std::uint64_t index = rows.number(2);
    const Result<std::optional<Decision>> decision = decision_of(rows.text(5));
    if (!decision || !*decision || (*decision)->intent_digest != intent || (*decision)->policy_digest != policy ||
        (*decision)->verdict != statement::Verdict::RequireApproval) {
      return corrupt(at_record(index) + " required no such approval as the table says");
    }
    ASSIGN_OR_RETURN(const std::optional<Decision> latest,
                     newest_decision(connection, newest, size, intent,
                                     [&policy](const Decision& each) { return each.policy_digest == policy; }));
    if (!latest || (latest->log_index == index) != (rows.integer(4) == 1)) {
      return corrupt("the table of required approvals does not know the latest decision after " + at_record(index));
    }
    cursor.intent.assign(rows.blob(0).begin(), rows.blob(0).end());
    cursor.policy.assign(rows.blob(1).begin(), rows.blob(1).end());
  }
  if (!rows.good()) return rows.failure("read the required approvals");
  cursor.done = count < limit;
  return ok();
}

Status check_intents(Connection& connection, std::size_t limit, TableCursor& cursor) {
  return check_checksums(connection, kIntents, "an intent", limit, cursor);
}

Status check_answers(Connection& connection, std::size_t limit, TableCursor& cursor) {
  return check_checksums(connection, kAnswers, "an answer", limit, cursor);
}

Status check_index(Connection& connection, std::size_t table) {
  return run_check(connection, kIndexed[table]);
}

Status check_pages(Connection& connection) {
  return run_check(connection, kPages);
}

}  // namespace countersign::ledger
