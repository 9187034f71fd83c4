#include "signer/ledger/sqlite_batch.h"

#include <algorithm>
#include <utility>

#include "signer/ledger/findings.h"
#include "signer/ledger/key_row.h"
#include "signer/ledger/leaf.h"
#include "signer/ledger/record_row.h"
#include "signer/ledger/sqlite_decisions.h"

namespace countersign::ledger {
namespace {

constexpr std::string_view kIndexPlace = "%LOG_INDEX%";

constexpr const char* kBegin = "BEGIN IMMEDIATE";
constexpr const char* kCommit = "COMMIT";
constexpr const char* kSavepoint = "SAVEPOINT item";
constexpr const char* kRelease = "RELEASE item";
constexpr const char* kUndo = "ROLLBACK TO item";
constexpr const char* kKnownRequest = "SELECT request_digest FROM idempotency WHERE peer_uid = ? AND key = ?";
constexpr const char* kRequired = "SELECT at >= ?, pending FROM required WHERE intent = ? AND policy = ?";
constexpr const char* kRequire =
    "INSERT INTO required(intent, policy, idx, at, pending) VALUES(?, ?, ?, ?, 1) "
    "ON CONFLICT(intent, policy) DO UPDATE SET idx = excluded.idx, at = max(at, excluded.at), pending = 1";
constexpr const char* kDecidedOtherwise =
    "UPDATE required SET pending = 0 WHERE intent = ? AND policy = ? AND pending = 1";
constexpr const char* kRedeem = "INSERT INTO redemptions(token_id, token_digest, idx) VALUES(?, ?, ?)";
constexpr const char* kExecute = "INSERT INTO executions(trace, idx) VALUES(?, ?)";
constexpr const char* kIntent = "INSERT INTO intents(intent, json, checksum) VALUES(?, ?, ?) ON CONFLICT DO NOTHING";
constexpr const char* kMint = "INSERT INTO minted(token_id, token_digest, intent, policy, idx) VALUES(?, ?, ?, ?, ?)";
constexpr const char* kAnswer =
    "INSERT INTO idempotency(peer_uid, key, request_digest, answer, checksum, at) VALUES(?, ?, ?, ?, ?, ?)";
// One row for a dedupe key: what comes inside its window is counted and told at the window's end.
constexpr const char* kEvent =
    "INSERT INTO outbox(event, dedupe_key, at, body, window_ends, count, attempts, due) "
    "VALUES(?1, ?2, ?3, ?4, ?5, 1, 0, ?3) "
    "ON CONFLICT(dedupe_key) DO UPDATE SET event = excluded.event, at = excluded.at, body = excluded.body, "
    "count = count + 1, "
    "due = CASE WHEN due IS NOT NULL THEN due WHEN excluded.at < window_ends THEN window_ends ELSE excluded.at END, "
    "window_ends = CASE WHEN excluded.at < window_ends THEN window_ends ELSE excluded.window_ends END";
constexpr const char* kKnownKey = "SELECT role, algorithm, state FROM keys WHERE kid = ?";
constexpr const char* kPutKey =
    "INSERT INTO keys(kid, role, algorithm, state, idx) VALUES(?, ?, ?, ?, ?) "
    "ON CONFLICT(kid) DO UPDATE SET state = excluded.state, idx = excluded.idx";
std::string with_index(std::string answer, std::uint64_t index) {
  const std::string text = std::to_string(index);
  for (std::size_t at = answer.find(kIndexPlace); at != std::string::npos; at = answer.find(kIndexPlace, at)) {
    answer.replace(at, kIndexPlace.size(), text);
    at += text.size();
  }
  return answer;
}

Error conflict(std::string detail, const char* reason) {
  return Error{ErrorCode::Conflict, std::move(detail), reason};
}

// Whether a constraint may say no after admit() has not: a token or permit used before, an id or key that is taken. All
// else that an item writes has a key of its own index, or none that could be taken.
bool may_be_taken(const Item& item) {
  return !item.redeem.empty() || item.execute_trace || item.minted || item.idempotency || item.next;
}

}  // namespace

struct Batch::Line {
  const Item& item;
  std::uint64_t index;
  std::string effects;
  Digest leaf;

  // Or why there can be no such record.
  static Result<Line> of(const Item& item, std::uint64_t index) {
    const Record& record = item.record;
    if (time_of(column_of(record.at)) != record.at) {
      return Error{ErrorCode::Invalid, "a record's time lies between 1678 and 2262, not " + record.at.rfc3339()};
    }
    ASSIGN_OR_RETURN(std::string effects, effects_of(item));
    ASSIGN_OR_RETURN(const std::string leaf, leaf_of(record, sha256(record.body), index, effects));
    return Line{item, index, std::move(effects), log::leaf_hash(view_of(leaf))};
  }
};

Batch::~Batch() {
  if (connection_.in_transaction()) (void)connection_.execute("ROLLBACK");
}

Error Batch::lost(Error error) {
  failed_ = true;
  return error;
}

Status Batch::begin() {
  // IMMEDIATE takes the write lock now: a later failure to get it would lose the whole batch.
  Status begun = Query(connection_, kBegin).run();
  if (!begun) return lost(std::move(begun).error());
  return ok();
}

Status Batch::run(Query& query, const Error& refusal) {
  while (query.next()) {
  }
  if (query.refused()) return refusal;
  if (!query.good()) return lost(query.failure("write the ledger"));
  return ok();
}

// The rules that depend on earlier items of the same batch, before anything is written.
Status Batch::admit(const Item& item) {
  if (item.idempotency) {
    Query known(connection_, kKnownRequest, item.idempotency->peer_uid, item.idempotency->key);
    if (known.next()) {
      if (known.digest(0) != item.idempotency->request_digest) {
        return conflict("the idempotency key was used for another request", "idempotency_mismatch");
      }
      return conflict("the idempotency key has its answer already", "idempotency_repeated");
    }
    if (!known.good()) return lost(known.failure("read the ledger"));
  }
  if (item.no_require_approval_since) {
    if (!item.decision) return Error{ErrorCode::Invalid, "a rule about earlier decisions needs a decision"};
    Query required(connection_, kRequired, *item.no_require_approval_since, item.decision->intent_digest,
                   item.decision->policy_digest);
    if (required.next() && required.integer(0) == 1) {
      return Error{ErrorCode::ApprovalRequired,
                   "approval of this intent was required before, so it is not allowed without tokens",
                   "approval_required_before"};
    }
    if (!required.good()) return lost(required.failure("read the ledger"));
  }
  if (item.pending_since) {
    if (!item.minted) return Error{ErrorCode::Invalid, "a rule about a pending request needs a minted token"};
    Query required(connection_, kRequired, *item.pending_since, item.minted->intent_digest, item.minted->policy_digest);
    const bool pending = required.next() && required.integer(0) == 1 && required.integer(1) == 1;
    if (!required.good()) return lost(required.failure("read the ledger"));
    if (!pending) {
      return Error{ErrorCode::Refused, "the latest decision on this intent and policy is not a recent require_approval",
                   "no_pending_request"};
    }
  }
  return ok();
}

Result<Committed> Batch::append(const Item& item) {
  RETURN_IF_ERROR(admit(item));
  const std::uint64_t index = frontier_.size();
  ASSIGN_OR_RETURN(const Line line, Line::of(item, index));
  std::optional<Line> next;
  if (item.next) {
    Result<Line> made = Line::of(*item.next, index + 1);
    if (!made) return std::move(made).error();
    next.emplace(*std::move(made));
  }
  // A savepoint makes SQLite copy every page that the item touches.
  const bool undoable = may_be_taken(item);
  if (undoable) {
    Status begun = Query(connection_, kSavepoint).run();
    if (!begun) return lost(std::move(begun).error());
  }
  Status written = write(line);
  if (written && next) written = write(*next);
  if (!written) {
    if (failed_) return written.error();
    if (!undoable) return lost(written.error());
    // Also ends the savepoint: what one item began must not reach the next.
    if (!Query(connection_, kUndo).run() || !Query(connection_, kRelease).run()) {
      return lost(connection_.failure("undo one item"));
    }
    return written.error();
  }
  if (undoable) {
    Status released = Query(connection_, kRelease).run();
    if (!released) return lost(std::move(released).error());
  }
  adopt(line);
  if (next) adopt(*next);
  return Committed{index};
}

void Batch::adopt(const Line& line) {
  frontier_.append(line.leaf);
  leaves_.push_back(line.leaf);
  const std::optional<Decision>& decision = line.item.decision;
  if (decision) places_.push_back({intent_key(decision->intent_digest), line.index});
}

Status Batch::write(const Line& line) {
  const auto& [item, index, effects, leaf] = line;
  const Record& record = item.record;
  Query row(connection_, kInsertRecord, index, record.at, record.kind, record.type, record.role, record.kid,
            record.body_digest, record.signature_digest, record.peer_uid, record.request_id, effects,
            view_of(record.body));
  const Status inserted = run(row, corrupt("record " + std::to_string(index) + " exists already"));
  if (!inserted) return lost(inserted.error());
  return write_derived(item, index);
}

Status Batch::write_decision(const Decision& decision, std::uint64_t index) {
  const Error refusal = corrupt("a decision was refused");
  if (decision.verdict == statement::Verdict::RequireApproval) {
    Query require(connection_, kRequire, decision.intent_digest, decision.policy_digest, index, decision.at);
    return run(require, refusal);
  }
  Query otherwise(connection_, kDecidedOtherwise, decision.intent_digest, decision.policy_digest);
  return run(otherwise, refusal);
}

Status Batch::write_derived(const Item& item, std::uint64_t index) {
  for (const Redemption& redemption : item.redeem) {
    Query redeem(connection_, kRedeem, redemption.token_id, redemption.token_digest, index);
    RETURN_IF_ERROR(
        run(redeem, conflict("approval token " + redemption.token_id + " was used before", "approval_token_consumed")));
  }
  if (item.execute_trace) {
    Query execute(connection_, kExecute, *item.execute_trace, index);
    RETURN_IF_ERROR(run(execute, conflict("this permit was executed before", "already_executed")));
  }
  if (item.decision) RETURN_IF_ERROR(write_decision(*item.decision, index));
  if (item.intent) {
    const Digest checksum = sha256(item.intent->json);
    Query intent(connection_, kIntent, item.intent->intent_digest, item.intent->json, checksum);
    RETURN_IF_ERROR(run(intent, conflict("this intent cannot be kept", "intent_refused")));
  }
  if (item.minted) {
    const MintedToken& token = *item.minted;
    Query mint(connection_, kMint, token.token_id, token.token_digest, token.intent_digest, token.policy_digest, index);
    RETURN_IF_ERROR(run(mint, conflict("a token of this id was minted before", "token_exists")));
  }
  if (item.idempotency) {
    const std::string answer = with_index(item.answer, index);
    const Digest checksum = sha256(answer);
    Query keep(connection_, kAnswer, item.idempotency->peer_uid, item.idempotency->key,
               item.idempotency->request_digest, answer, checksum, item.record.at);
    RETURN_IF_ERROR(run(keep, conflict("the idempotency key has its answer already", "idempotency_repeated")));
  }
  for (const OutboxEvent& event : item.events) RETURN_IF_ERROR(write_event(event));
  return ok();
}

Status Batch::write_event(const OutboxEvent& event) {
  std::optional<std::string_view> key;
  if (!event.dedupe_key.empty() && event.window > std::chrono::nanoseconds(0)) key = event.dedupe_key;
  Query insert(connection_, kEvent, event.event, key, event.at, event.body, event.at + event.window);
  return run(insert, corrupt("an event was refused"));
}

Status Batch::put_key(const keymgmt::PublishedKey& key, UtcTime at, const KeyChange& change, bool first) {
  const std::string_view role = name_of(key.role);
  const std::string_view algorithm = name_of(key.key.algorithm());
  {
    Query known(connection_, kKnownKey, key.key.kid());
    if (known.next()) {
      if (known.text(0) != role || known.text(1) != algorithm) {
        return conflict("key " + key.key.kid() + " keeps its role and algorithm for good", "key_changed");
      }
      const std::optional<keymgmt::KeyState> from = keymgmt::key_state_named(known.text(2));
      if (!from || (*from != key.state && !may_become(*from, key.state))) {
        return conflict("key " + key.key.kid() + " cannot become " + std::string(name_of(key.state)) + " from " +
                            std::string(known.text(2)),
                        "key_state");
      }
    }
    if (!known.good()) return lost(known.failure("read the ledger"));
  }
  Item item;
  item.record.kind = "key";
  item.record.at = at;
  item.record.role = role;
  item.record.kid = key.key.kid();
  item.record.peer_uid = change.peer_uid;
  item.record.request_id = change.request_id;
  if (first) item.events = change.events;
  item.record.body = key_body(key, change.reason);
  item.record.body_digest = sha256(item.record.body);
  ASSIGN_OR_RETURN(const Committed committed, append(item));
  Query put(connection_, kPutKey, key.key.kid(), role, algorithm, name_of(key.state), committed.log_index);
  return run(put,
             conflict("the role " + std::string(role) + " has an active " + std::string(algorithm) + " key already",
                      "two_active_keys"));
}

// What has become complete with this batch goes from memory into its tables.
Status Batch::keep_newest() {
  const std::uint64_t size = frontier_.size();
  if (size / kTile != before_ / kTile) {
    std::vector<Digest> leaves = newest_.leaves();
    leaves.insert(leaves.end(), leaves_.begin(), leaves_.end());
    RETURN_IF_ERROR(keep_tree(connection_, before_, size, leaves));
  }
  if (size / kDecisionBlock == before_ / kDecisionBlock) return ok();
  std::vector<DecisionPlace> places = newest_.places();
  places.insert(places.end(), places_.begin(), places_.end());
  const std::uint64_t complete = size - size % kDecisionBlock;
  const auto end = std::find_if(places.begin(), places.end(),
                                [complete](const DecisionPlace& place) { return place.index >= complete; });
  return keep_places(connection_, std::span(places.begin(), end));
}

Status Batch::finish(const TimeMark& mark, std::uint64_t sequence_ceiling, bool key_set_changed) {
  Status kept = keep_newest();
  if (!kept) return lost(std::move(kept).error());
  Result<Meta> meta = read_meta(connection_);
  if (!meta) return lost(std::move(meta).error());
  if (meta->head.size != before_) return lost(forked("another writer moved the ledger's head"));
  meta->head = TreeHead{frontier_.size(), frontier_.root()};
  meta->mark = mark;
  meta->sequence_ceiling = std::max(meta->sequence_ceiling, sequence_ceiling);
  if (key_set_changed) ++meta->key_set_version;
  Status written = write_meta(connection_, *meta);
  if (!written) return lost(std::move(written).error());
  Status committed = Query(connection_, kCommit).run();
  if (!committed) return lost(std::move(committed).error());
  return ok();
}

}  // namespace countersign::ledger
