// All reading of the ledger: over the reading connection, which sees what is committed and never waits for a sync.
#include <algorithm>

#include "signer/ledger/findings.h"
#include "signer/ledger/key_row.h"
#include "signer/ledger/leaf.h"
#include "signer/ledger/record_row.h"
#include "signer/ledger/sqlite_decisions.h"
#include "signer/ledger/sqlite_state.h"

namespace countersign::ledger {
namespace {

constexpr const char* kPending =
    "SELECT q.idx, r.at, r.peer_uid, r.effects FROM required q JOIN records r ON r.idx = q.idx "
    "WHERE q.pending = 1 AND q.at >= ? ORDER BY q.idx DESC LIMIT ?";
constexpr const char* kRecord = "SELECT " COUNTERSIGN_RECORD_COLUMNS " FROM records r WHERE r.idx = ?";
constexpr const char* kIntent = "SELECT json, checksum FROM intents WHERE intent = ?";
constexpr const char* kAnswer =
    "SELECT request_digest, answer, checksum FROM idempotency WHERE peer_uid = ? AND key = ?";
constexpr const char* kRedeemed = "SELECT 1 FROM redemptions WHERE token_id = ?";
constexpr const char* kUsedBy = "SELECT r.kind FROM redemptions u JOIN records r ON r.idx = u.idx WHERE u.token_id = ?";
constexpr const char* kMintedWithId =
    "SELECT r.effects FROM minted m JOIN records r ON r.idx = m.idx WHERE m.token_id = ?";
constexpr const char* kMinted =
    "SELECT r.effects FROM minted m JOIN records r ON r.idx = m.idx WHERE m.intent = ? AND m.policy = ? ORDER BY m.idx";
constexpr const char* kKeys = "SELECT r.body FROM keys k JOIN records r ON r.idx = k.idx ORDER BY k.rowid";
constexpr const char* kDue =
    "SELECT id, event, dedupe_key, at, body, window_ends, count, attempts FROM outbox WHERE due <= ? "
    "ORDER BY id LIMIT ?";

Error not_there(const std::string& what) {
  return Error{ErrorCode::NotFound, what + " lies beyond the ledger's end"};
}

Result<Decision> decision_in(const Query& row) {
  ASSIGN_OR_RETURN(std::optional<Decision> decision, decision_of(row.text(3)));
  if (!decision) return corrupt("record " + std::to_string(row.number(0)) + " has no decision");
  decision->log_index = row.number(0);
  decision->at = row.time(1);
  decision->peer_uid = static_cast<std::uint32_t>(row.integer(2));
  return *std::move(decision);
}

}  // namespace

Result<Digest> SqliteStore::root_at(std::uint64_t size) const {
  const TreeHead now = head();
  if (size == now.size) return now.root;
  if (size > now.size) return not_there("size " + std::to_string(size));
  const std::lock_guard lock(state_->reading);
  return log::root_of(size, state_->nodes());
}

Result<StoredRecord> SqliteStore::record(std::uint64_t index) const {
  if (index >= head().size) return not_there("record " + std::to_string(index));
  const std::lock_guard lock(state_->reading);
  Query row(state_->reader, kRecord, index);
  if (!row.next()) {
    if (!row.good()) return row.failure("read a record");
    return truncated("record " + std::to_string(index) + " is missing");
  }
  StoredRecord stored;
  stored.index = index;
  stored.record = record_in(row);
  stored.record.body = row.text(kBodyColumn);
  stored.effects = row.text(kEffectsColumn);
  ASSIGN_OR_RETURN(stored.leaf, leaf_of(stored.record, sha256(stored.record.body), index, stored.effects));
  ASSIGN_OR_RETURN(const std::vector<Digest> hash, state_->nodes().leaves(index, 1));
  if (hash.empty() || log::leaf_hash(view_of(stored.leaf)) != hash.front()) {
    return forked("record " + std::to_string(index) + " is not the one whose hash is in the tree");
  }
  return stored;
}

Result<std::vector<Digest>> SqliteStore::leaf_hashes(std::uint64_t first, std::size_t limit) const {
  const std::lock_guard lock(state_->reading);
  return state_->nodes().leaves(first, limit);
}

Result<std::vector<Digest>> SqliteStore::inclusion_proof(std::uint64_t index, std::uint64_t size) const {
  if (size > head().size) return not_there("size " + std::to_string(size));
  const std::lock_guard lock(state_->reading);
  return log::inclusion_proof(index, size, state_->nodes());
}

Result<std::vector<Digest>> SqliteStore::consistency_proof(std::uint64_t first, std::uint64_t second) const {
  if (second > head().size) return not_there("size " + std::to_string(second));
  const std::lock_guard lock(state_->reading);
  return log::consistency_proof(first, second, state_->nodes());
}

Result<std::optional<Decision>> SqliteStore::latest_decision(const Digest& intent, const Digest& policy) const {
  const std::uint64_t size = head().size;
  const std::lock_guard lock(state_->reading);
  return newest_decision(state_->reader, state_->newest, size, intent,
                         [&policy](const Decision& decision) { return decision.policy_digest == policy; });
}

Result<std::vector<Decision>> SqliteStore::pending(UtcTime since, std::size_t limit) const {
  std::vector<Decision> decisions;
  const std::lock_guard lock(state_->reading);
  Query rows(state_->reader, kPending, since, limit);
  while (rows.next()) {
    ASSIGN_OR_RETURN(Decision decision, decision_in(rows));
    decisions.push_back(std::move(decision));
  }
  if (!rows.good()) return rows.failure("read the decisions");
  return decisions;
}

Result<std::optional<std::string>> SqliteStore::intent_document(const Digest& intent) const {
  const std::lock_guard lock(state_->reading);
  Query row(state_->reader, kIntent, intent);
  if (row.next()) {
    if (sha256(row.blob(0)) != row.digest(1)) return corrupt("an intent does not match its checksum");
    return std::optional<std::string>(row.text(0));
  }
  if (!row.good()) return row.failure("read an intent");
  return std::optional<std::string>();
}

Result<std::optional<std::string>> SqliteStore::answer_for(const IdempotencyKey& key) const {
  const std::lock_guard lock(state_->reading);
  Query row(state_->reader, kAnswer, key.peer_uid, key.key);
  if (!row.next()) {
    if (!row.good()) return row.failure("read an answer");
    return std::optional<std::string>();
  }
  if (row.digest(0) != key.request_digest) {
    return Error{ErrorCode::Conflict, "the idempotency key was used for another request", "idempotency_mismatch",
                 "A request that differs takes a key of its own."};
  }
  if (sha256(row.blob(1)) != row.digest(2)) return corrupt("an answer does not match its checksum");
  return std::optional<std::string>(row.text(1));
}

Result<bool> SqliteStore::redeemed(const std::string& token_id) const {
  const std::lock_guard lock(state_->reading);
  Query row(state_->reader, kRedeemed, token_id);
  const bool found = row.next();
  if (!row.good()) return row.failure("read the redemptions");
  return found;
}

Result<std::optional<std::string>> SqliteStore::used_by(const std::string& token_id) const {
  const std::lock_guard lock(state_->reading);
  Query row(state_->reader, kUsedBy, token_id);
  const bool found = row.next();
  if (!row.good()) return row.failure("read the redemptions");
  if (!found) return std::optional<std::string>();
  return std::optional<std::string>(row.text(0));
}

Result<std::optional<MintedToken>> SqliteStore::minted_with_id(const std::string& token_id) const {
  const std::lock_guard lock(state_->reading);
  Query row(state_->reader, kMintedWithId, token_id);
  const bool found = row.next();
  if (!row.good()) return row.failure("read the minted tokens");
  if (!found) return std::optional<MintedToken>();
  ASSIGN_OR_RETURN(std::optional<MintedToken> token, minted_of(row.text(0)));
  if (!token || token->token_id != token_id) return corrupt("a minted token is not the one of its record");
  return token;
}

Result<std::vector<MintedToken>> SqliteStore::minted(const Digest& intent, const Digest& policy) const {
  std::vector<MintedToken> tokens;
  const std::lock_guard lock(state_->reading);
  Query rows(state_->reader, kMinted, intent, policy);
  while (rows.next()) {
    ASSIGN_OR_RETURN(const std::optional<MintedToken> token, minted_of(rows.text(0)));
    if (!token || token->intent_digest != intent || token->policy_digest != policy) {
      return corrupt("a minted token is not the one of its record");
    }
    tokens.push_back(*token);
  }
  if (!rows.good()) return rows.failure("read the minted tokens");
  return tokens;
}

Result<std::optional<std::uint64_t>> SqliteStore::index_of_trace(const Digest& intent,
                                                                 const Digest& trace_digest) const {
  const std::uint64_t size = head().size;
  const std::lock_guard lock(state_->reading);
  ASSIGN_OR_RETURN(const std::optional<Decision> decision,
                   newest_decision(state_->reader, state_->newest, size, intent,
                                   [&](const Decision& each) { return each.trace_digest == trace_digest; }));
  if (!decision) return std::optional<std::uint64_t>();
  return std::optional<std::uint64_t>(decision->log_index);
}

Result<std::vector<keymgmt::PublishedKey>> SqliteStore::keys() const {
  std::vector<keymgmt::PublishedKey> keys;
  const std::lock_guard lock(state_->reading);
  Query rows(state_->reader, kKeys);
  while (rows.next()) {
    ASSIGN_OR_RETURN(keymgmt::PublishedKey key, key_of(rows.text(0)));
    keys.push_back(std::move(key));
  }
  if (!rows.good()) return rows.failure("read the keys");
  std::stable_sort(keys.begin(), keys.end(),
                   [](const keymgmt::PublishedKey& a, const keymgmt::PublishedKey& b) { return a.role < b.role; });
  return keys;
}

Result<std::uint64_t> SqliteStore::key_set_version() const {
  const std::lock_guard lock(state_->reading);
  ASSIGN_OR_RETURN(const Meta meta, read_meta(state_->reader));
  return meta.key_set_version;
}

Result<std::vector<OutboxRow>> SqliteStore::outbox(std::size_t limit) const {
  std::vector<OutboxRow> due;
  const std::lock_guard lock(state_->reading);
  Query rows(state_->reader, kDue, state_->clock.now(), limit);
  while (rows.next()) {
    OutboxRow row;
    row.id = rows.number(0);
    row.event.event = rows.text(1);
    row.event.dedupe_key = rows.text(2);
    row.event.at = rows.time(3);
    row.event.body = rows.text(4);
    row.event.window = rows.time(5) - row.event.at;
    row.count = rows.number(6);
    row.attempts = rows.number(7);
    state_->handed_out[row.id] = row.count;
    due.push_back(std::move(row));
  }
  if (!rows.good()) return rows.failure("read the outbox");
  return due;
}

}  // namespace countersign::ledger
