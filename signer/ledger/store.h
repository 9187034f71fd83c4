// The signer's durable state behind one interface: the only commit point. SQLite implements it (sqlite_store.h);
// PostgreSQL will.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "common/clock.h"
#include "common/digest.h"
#include "common/json.h"
#include "common/result.h"
#include "keymgmt/key_set.h"
#include "signer/statement/statement.h"

namespace countersign::ledger {

inline constexpr const char* kRestoredKind = "restored";
inline constexpr const char* kRevokedKind = "revoked";  // what used an approval token up without redeeming it

// One line of the append-only record. Its RFC 6962 leaf is the canonical JSON of all members but `body` and
// `request_id`, which stand in it by digest (`content_digest`, `request_digest`), of its index and, where the item did
// more than record, of `effects_digest` (SHA-256 of the stored list of what it redeemed, decided, minted and executed).
struct Record {
  std::string kind;  // "signed", "refused", "executed", "revoked", "key", "time_reset", "restored", …
  UtcTime at;
  std::string type;  // statement type, for "signed" and "refused"
  std::string role;
  std::string kid;
  Digest body_digest;  // of `body`; for a signed statement its signed_digest
  Digest signature_digest;
  std::uint32_t peer_uid = 0;
  std::string request_id;
  std::string body;  // the signed document, or what was refused and why; compact JSON
};

struct Redemption {
  std::string token_id;
  Digest token_digest;  // signed_digest of the token
};

struct Decision {
  Digest intent_digest;
  Digest policy_digest;
  statement::Verdict verdict;
  UtcTime at;
  std::uint32_t peer_uid = 0;
  statement::DecisionFacts facts;
  Digest trace_digest;  // signed_digest of the trace
  std::uint64_t log_index = 0;
};

struct IntentDocument {
  Digest intent_digest;
  std::string json;
};

struct MintedToken {
  std::string token_id;
  Digest token_digest;
  Digest intent_digest;
  Digest policy_digest;
  std::string approver_key;  // identity_key of the approver
  UtcTime created_at;
  UtcTime expires_at;
  std::string proven_by{};  // the approver's credential (config/approval_limits.h)
};

struct IdempotencyKey {
  std::uint32_t peer_uid = 0;
  std::string key;
  Digest request_digest;  // of the request's bytes
};

// Something the security owner is told, at least once, without delaying anybody.
struct OutboxEvent {
  std::string event;       // name in the table of events
  std::string dedupe_key;  // the same key within the table's window is told once, with a count
  UtcTime at;
  std::string body;                   // JSON
  std::chrono::nanoseconds window{};  // since the first; an empty dedupe_key or no window: each one is told
};

// All or nothing, and independent of the other items of its batch.
struct Item {
  // Recorded right behind this one, and only with it: both or neither. For what has no rule but single use.
  std::shared_ptr<const Item> next{};
  Record record;
  std::vector<Redemption> redeem;  // any one already redeemed: Conflict "approval_token_consumed", nothing written
  // Becomes the latest for its (intent, policy). Its time and peer are the record's: only those are given back.
  std::optional<Decision> decision;
  std::optional<IntentDocument> intent;
  std::optional<MintedToken> minted;
  // An allow without tokens: refused with "approval_required_before" if the same (intent, policy) had a recorded
  // require_approval since then.
  std::optional<UtcTime> no_require_approval_since;
  // A minted token: refused with "no_pending_request" unless the latest decision on its (intent, policy) is a
  // require_approval recorded since then.
  std::optional<UtcTime> pending_since;
  std::optional<Digest> execute_trace;  // already executed: Conflict "already_executed"
  // With `answer`. Already there with this digest: Conflict "idempotency_repeated", so answer with answer_for(); with
  // another: Conflict "idempotency_mismatch".
  std::optional<IdempotencyKey> idempotency;
  std::string answer;  // kept for idempotency; "%LOG_INDEX%" in it is replaced by the index
  std::vector<OutboxEvent> events;
};

// Who moves keys, why, and what the security owner is told of it.
struct KeyChange {
  std::uint32_t peer_uid = 0;
  std::string request_id{};
  std::string reason{};
  std::vector<OutboxEvent> events{};
};

struct Committed {
  std::uint64_t log_index = 0;  // of the item; its `next` has the one after
};

struct TreeHead {
  std::uint64_t size = 0;
  Digest root;  // RFC 6962 §2.1
};

struct StoredRecord {
  std::uint64_t index = 0;
  Record record;
  std::string leaf;     // the bytes whose leaf hash stands in the tree
  std::string effects;  // JSON; empty where there are none
};

// What a full check went through.
struct Verification {
  TreeHead head;
  std::uint64_t redemptions = 0;
  std::uint64_t executions = 0;
};

// A record of kind "restored": the ledger was put back from a backup. Its body is
// {"accepts_loss","anchors","backup":{"root","size"},"moved_aside","reason"} (ledger_restore.h).
struct Restore {
  std::uint64_t index = 0;  // of its record: the backup had as many records
  UtcTime at;
  bool accepts_loss = false;  // anchors written before `at` may have more records than the backup
  std::string reason;
};

struct OutboxRow {
  std::uint64_t id = 0;
  OutboxEvent event;
  std::uint64_t count = 1;  // how often it happened since it was last told
  std::uint64_t attempts = 0;
};

class Store {
 public:
  virtual ~Store() = default;

  // One transaction, one sync. Answers stand in the order of `items`. A failed sync fails all with Unavailable and
  // poisons the store: every later call fails, the process must stop and start again from disk.
  virtual Result<std::vector<Result<Committed>>> commit(std::span<const Item* const> items) = 0;
  Result<std::vector<Result<Committed>>> commit(std::span<const Item> items) {
    std::vector<const Item*> pointers;
    pointers.reserve(items.size());
    for (const Item& item : items) pointers.push_back(&item);
    return commit(std::span<const Item* const>(pointers));
  }

  virtual TreeHead head() const = 0;
  // The root of the first `size` leaves. Fails with NotFound beyond the head.
  virtual Result<Digest> root_at(std::uint64_t size) const = 0;
  virtual Result<StoredRecord> record(std::uint64_t index) const = 0;  // NotFound beyond the head
  // At most `limit` records from record `first` on, as they are stored; whether they are what the tree says is for
  // record(), verify() and whoever asks for a proof.
  virtual Result<std::vector<Record>> records(std::uint64_t first, std::size_t limit) const = 0;
  // At most `limit` leaf hashes from leaf `first` on: what tiles are made of.
  virtual Result<std::vector<Digest>> leaf_hashes(std::uint64_t first, std::size_t limit) const = 0;
  // At most `limit` leaves from leaf `first` on: the bytes whose hashes leaf_hashes gives, made again from the records.
  virtual Result<std::vector<std::string>> leaves(std::uint64_t first, std::size_t limit) const = 0;
  // The root of the complete subtree over the leaves [index << level, (index + 1) << level); NotFound beyond the head.
  virtual Result<Digest> node(unsigned level, std::uint64_t index) const = 0;
  // log/merkle_tree.h; NotFound beyond the head.
  virtual Result<std::vector<Digest>> inclusion_proof(std::uint64_t index, std::uint64_t size) const = 0;
  virtual Result<std::vector<Digest>> consistency_proof(std::uint64_t first, std::uint64_t second) const = 0;
  // Hashes and compares everything that is stored.
  virtual Result<Verification> verify() const = 0;

  virtual Result<std::optional<Decision>> latest_decision(const Digest& intent, const Digest& policy) const = 0;
  virtual Result<std::vector<Decision>> pending(UtcTime since,
                                                std::size_t limit) const = 0;  // latest is require_approval
  virtual Result<std::optional<std::string>> intent_document(const Digest& intent) const = 0;
  virtual Result<std::optional<std::string>> answer_for(
      const IdempotencyKey& key) const = 0;  // Conflict on another digest
  virtual Result<bool> redeemed(const std::string& token_id) const = 0;
  // The kind of the record that used the token up: "signed" where it was redeemed, "revoked"; nothing while it may be
  // redeemed.
  virtual Result<std::optional<std::string>> used_by(const std::string& token_id) const = 0;
  virtual Result<std::vector<MintedToken>> minted(const Digest& intent, const Digest& policy) const = 0;
  virtual Result<std::optional<MintedToken>> minted_with_id(const std::string& token_id) const = 0;
  // Whether a token minted, or a permit signed, at `made_at` may be used as far as this ledger can know. Fails with
  // Refused, reason "made_before_restore", where the ledger was restored since: what became of it is not in the backup;
  // with Unavailable, reason "ledger_check_pending", where a use of it could lie in records that were not yet compared
  // with the tables since the start.
  virtual Status usable(UtcTime made_at) const = 0;
  virtual const std::vector<Restore>& restores() const = 0;  // oldest first; none is added while the ledger is open
  virtual Result<std::optional<std::uint64_t>> index_of_trace(const Digest& intent,
                                                              const Digest& trace_digest) const = 0;

  virtual Result<std::uint64_t> next_sequence() = 0;  // grows also over restarts; gaps are possible

  virtual Result<std::vector<keymgmt::PublishedKey>> keys() const = 0;
  virtual Result<std::uint64_t> key_set_version() const = 0;
  // Registers or moves keys and raises the key set's version in one transaction with their records. Two active keys of
  // one role and algorithm: Conflict, by database constraint. A key may stand several times: one record a step, in that
  // order, but keys that stop signing before the one that starts.
  virtual Status put_keys(std::span<const keymgmt::PublishedKey> keys, UtcTime at, const KeyChange& change) = 0;
  Status put_keys(std::span<const keymgmt::PublishedKey> keys, UtcTime at) { return put_keys(keys, at, KeyChange()); }

  virtual Result<std::vector<OutboxRow>> outbox(std::size_t limit) const = 0;  // due, oldest first
  // Success: told once, forgotten after its window. Failure: due again later, each time twice as late, at most 5 min.
  virtual Status told(std::uint64_t outbox_id, bool success, UtcTime at) = 0;

  // Deletes answers of idempotency keys that were given before `before`, oldest first, at most `limit`. Their requests
  // are new ones from then on; no leaf commits to an answer. Gives how many.
  virtual Result<std::uint64_t> forget_answers(UtcTime before, std::size_t limit) = 0;

  // Time: the high-water mark of the clock (common point of all records).
  virtual Result<UtcTime> high_water() const = 0;
};

}  // namespace countersign::ledger
