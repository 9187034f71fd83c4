#include "signer/ledger/sqlite_store.h"

#include <algorithm>
#include <utility>

#include "common/durable_file.h"
#include "signer/ledger/findings.h"
#include "signer/ledger/key_row.h"
#include "signer/ledger/sqlite_state.h"

namespace countersign::ledger {
namespace {

constexpr std::uint64_t kSequenceBlock = 4096;
constexpr std::chrono::nanoseconds kLongestDelay = std::chrono::minutes(5);
constexpr std::uint64_t kMostDoublings = 9;  // 2^9 s is past kLongestDelay

constexpr const char* kTold =
    "UPDATE outbox SET count = max(count - ?1, 0), attempts = 0, "
    "due = CASE WHEN count > ?1 THEN max(window_ends, ?2) END WHERE id = ?3";
constexpr const char* kNotTold = "UPDATE outbox SET attempts = attempts + 1, due = ? WHERE id = ?";
constexpr const char* kAttempts = "SELECT attempts, count FROM outbox WHERE id = ?";
// The oldest of the answers, if it is that old; they stand in the order in which they were given.
constexpr const char* kOldestAnswer = "SELECT 1 FROM (SELECT at FROM idempotency ORDER BY rowid LIMIT 1) WHERE at < ?";
constexpr const char* kForgetAnswers =
    "DELETE FROM idempotency WHERE rowid IN (SELECT rowid FROM idempotency ORDER BY rowid LIMIT ?) AND at < ?";
constexpr const char* kForget = "DELETE FROM outbox WHERE due IS NULL AND (dedupe_key IS NULL OR window_ends <= ?)";

}  // namespace

Error SqliteStore::State::poisoned_error() const {
  return Error{ErrorCode::Unavailable, "an earlier write to the ledger failed, so what is on disk is unknown",
               "ledger_poisoned", "Restart the appliance: it reads the ledger from disk and goes on."};
}

Error SqliteStore::State::abandon(const Error& failure) {
  if (writer.in_transaction() && !writer.execute("ROLLBACK")) {
    poisoned = true;
    return poisoned_error();
  }
  if (failure.reason == "ledger_full") {
    const Result<Meta> meta = read_meta(writer);
    if (meta && meta->head.size == frontier.size() && meta->head.root == frontier.root()) return failure;
  }
  poisoned = true;
  Error error = poisoned_error();
  error.detail += " (" + failure.detail + ")";
  return error;
}

std::uint64_t SqliteStore::State::wanted_ceiling() const {
  const std::uint64_t ceiling = sequence_ceiling.load();
  return sequence.load() + kSequenceBlock / 2 < ceiling ? ceiling : ceiling + kSequenceBlock;
}

void SqliteStore::State::adopt(const Batch& batch, std::uint64_t new_ceiling) {
  frontier = batch.frontier();
  newest.adopt(batch.leaves(), batch.places());  // before the head: who knows a size finds its leaves
  sequence_ceiling = new_ceiling;
  const std::lock_guard lock_head(heading);
  head = TreeHead{frontier.size(), frontier.root()};
}

SqliteStore::SqliteStore(std::unique_ptr<State> state) : state_(std::move(state)) {}
SqliteStore::~SqliteStore() = default;

Result<std::vector<Result<Committed>>> SqliteStore::commit(std::span<const Item* const> items) {
  State& state = *state_;
  const std::lock_guard lock(state.writing);
  if (state.poisoned) return state.poisoned_error();
  const Status may_sign = state.may_sign();
  Batch batch(state.writer, state.frontier, state.newest);
  Status begun = batch.begin();
  if (!begun) return state.abandon(begun.error());
  std::vector<Result<Committed>> outcomes;
  outcomes.reserve(items.size());
  for (const Item* item : items) {
    // Refusals and the reset itself are still recorded while the clock is not believed, and incidents in any case.
    if (!may_sign && (item->record.kind == "signed" || (state.damaged && item->record.kind == "executed"))) {
      outcomes.emplace_back(may_sign.error());
      continue;
    }
    outcomes.push_back(batch.append(*item));
    if (batch.failed()) return state.abandon(outcomes.back().error());
  }
  if (!batch.wrote()) return outcomes;
  const std::uint64_t ceiling = state.wanted_ceiling();
  const Status finished = batch.finish(state.guard.mark(), ceiling, false);
  if (!finished) return state.abandon(finished.error());
  state.adopt(batch, ceiling);
  return outcomes;
}

Status SqliteStore::put_keys(std::span<const keymgmt::PublishedKey> keys, UtcTime at, const KeyChange& change) {
  State& state = *state_;
  ASSIGN_OR_RETURN(const std::vector<keymgmt::PublishedKey> known, this->keys());
  std::vector<const keymgmt::PublishedKey*> changed;
  for (const keymgmt::PublishedKey& key : keys) {
    const std::string body = key_body(key);
    const bool same = std::any_of(known.begin(), known.end(),
                                  [&](const keymgmt::PublishedKey& other) { return key_body(other) == body; });
    if (!same) changed.push_back(&key);
  }
  if (changed.empty()) return ok();
  // The outgoing active key first: the constraint holds at every single step.
  std::stable_partition(changed.begin(), changed.end(),
                        [](const keymgmt::PublishedKey* key) { return key->state != keymgmt::KeyState::Active; });
  const std::lock_guard lock(state.writing);
  if (state.poisoned) return state.poisoned_error();
  (void)state.guard.check();  // moves the mark if the clock is believed; keys may change in any case
  Batch batch(state.writer, state.frontier, state.newest);
  Status begun = batch.begin();
  if (!begun) return state.abandon(begun.error());
  for (const keymgmt::PublishedKey* key : changed) {
    Status put = batch.put_key(*key, at, change, key == changed.front());
    if (batch.failed()) return state.abandon(put.error());
    if (!put) return put;
  }
  const std::uint64_t ceiling = state.wanted_ceiling();
  const Status finished = batch.finish(state.guard.mark(), ceiling, true);
  if (!finished) return state.abandon(finished.error());
  state.adopt(batch, ceiling);
  return ok();
}

Result<std::uint64_t> SqliteStore::next_sequence() {
  State& state = *state_;
  const std::uint64_t next = state.sequence.fetch_add(1);
  if (next < state.sequence_ceiling) return next;
  const std::lock_guard lock(state.writing);
  if (next < state.sequence_ceiling) return next;  // another thread reserved meanwhile
  if (state.poisoned) return state.poisoned_error();
  const std::uint64_t ceiling = next + kSequenceBlock;
  const auto reserve = [&]() -> Status {
    RETURN_IF_ERROR(state.writer.execute("BEGIN IMMEDIATE"));
    ASSIGN_OR_RETURN(Meta meta, read_meta(state.writer));
    meta.sequence_ceiling = std::max(meta.sequence_ceiling, ceiling);
    RETURN_IF_ERROR(write_meta(state.writer, meta));
    return state.writer.execute("COMMIT");
  };
  const Status reserved = reserve();
  if (!reserved) return state.abandon(reserved.error());
  state.sequence_ceiling = ceiling;
  return next;
}

Status SqliteStore::told(std::uint64_t outbox_id, bool success, UtcTime at) {
  State& state = *state_;
  std::optional<std::uint64_t> handed_out;
  {
    const std::lock_guard lock(state.reading);
    const auto found = state.handed_out.find(outbox_id);
    if (found != state.handed_out.end()) {
      handed_out = found->second;
      state.handed_out.erase(found);
    }
  }
  const std::lock_guard lock(state.writing);
  if (state.poisoned) return state.poisoned_error();
  std::uint64_t attempts = 0;
  std::uint64_t count = 0;
  {
    Query row(state.writer, kAttempts, outbox_id);
    if (!row.next()) {
      if (!row.good()) return row.failure("read the outbox");
      return Error{ErrorCode::NotFound, "no event " + std::to_string(outbox_id) + " is in the outbox"};
    }
    attempts = row.number(0);
    count = row.number(1);
  }
  const auto update = [&]() -> Status {
    RETURN_IF_ERROR(state.writer.execute("BEGIN IMMEDIATE"));
    if (success) {
      RETURN_IF_ERROR(Query(state.writer, kTold, std::min(handed_out.value_or(count), count), at, outbox_id).run());
      RETURN_IF_ERROR(Query(state.writer, kForget, at).run());
    } else {
      const auto delay = std::chrono::seconds(std::int64_t{1} << std::min(attempts, kMostDoublings));
      RETURN_IF_ERROR(
          Query(state.writer, kNotTold, at + std::min<std::chrono::nanoseconds>(delay, kLongestDelay), outbox_id)
              .run());
    }
    return state.writer.execute("COMMIT");
  };
  const Status updated = update();
  if (!updated) return state.abandon(updated.error());
  return ok();
}

TreeHead SqliteStore::head() const {
  const std::lock_guard lock(state_->heading);
  return state_->head;
}

Result<UtcTime> SqliteStore::high_water() const {
  return state_->guard.mark().wall;
}

TimeGuard& SqliteStore::time_guard() {
  return state_->guard;
}

bool SqliteStore::poisoned() const {
  return state_->poisoned;
}

Status SqliteStore::State::may_sign() {
  const Status believed = guard.check();
  if (damaged && check) {
    const CheckReport report = check->report();
    if (report.damage) return *report.damage;
  }
  return believed;
}

void SqliteStore::State::condemn(const Error& damage) {
  damaged = true;
  const Json mark = Json::object({{"code", damage.wire_code()}, {"message", damage.detail}});
  // Best effort: without it the next start finds the damage again only after it began to serve.
  [[maybe_unused]] const Status kept = write_durable(suspect_mark(path), mark.compact() + "\n", 0600);
}

void SqliteStore::watch(BackgroundCheck::Options options, BackgroundCheck::Damaged damaged) {
  State* state = state_.get();
  state->check = std::make_unique<BackgroundCheck>(state->path, state->clock, options, state->coverage,
                                                   [state, tell = std::move(damaged)](const Error& damage) {
                                                     state->condemn(damage);
                                                     tell(damage);
                                                   });
}

std::uint64_t SqliteStore::check_again() {
  return state_->check ? state_->check->again() : 0;
}

std::optional<CheckReport> SqliteStore::check_report() const {
  if (!state_->check) return std::nullopt;
  return state_->check->report();
}

const std::vector<Restore>& SqliteStore::restores() const {
  return state_->restores;
}

Status SqliteStore::usable(UtcTime made_at) const {
  const State& state = *state_;
  // Tokens and permits carry whole seconds: what is of the restore's own second is taken for older.
  if (!state.restores.empty() && made_at <= state.restores.back().at) {
    return Error{ErrorCode::Refused,
                 "it was made before the ledger was restored from a backup at " + state.restores.back().at.rfc3339() +
                     ", which cannot say whether it was used",
                 "made_before_restore", "Evaluate the intent again, and ask for a new approval where one is needed."};
  }
  const Coverage proved = state.check ? state.check->coverage() : state.coverage;
  if (proved.since(made_at, state.clock_step)) return ok();
  return Error{ErrorCode::Unavailable,
               "the records since " + made_at.rfc3339() + " are still being compared with the tables after the start",
               "ledger_check_pending", "Try again in some seconds; `countersign status` shows how far the check is."};
}

Result<std::uint64_t> SqliteStore::forget_answers(UtcTime before, std::size_t limit) {
  State& state = *state_;
  const std::lock_guard lock(state.writing);
  if (state.poisoned) return state.poisoned_error();
  {
    Query due(state.writer, kOldestAnswer, before);
    if (!due.next()) {
      if (!due.good()) return due.failure("read the answers");
      return std::uint64_t{0};
    }
  }
  std::uint64_t forgotten = 0;
  const auto forget = [&]() -> Status {
    RETURN_IF_ERROR(state.writer.execute("BEGIN IMMEDIATE"));
    RETURN_IF_ERROR(Query(state.writer, kForgetAnswers, limit, before).run());
    forgotten = static_cast<std::uint64_t>(state.writer.changes());
    return state.writer.execute("COMMIT");
  };
  const Status done = forget();
  if (!done) return state.abandon(done.error());
  return forgotten;
}

Result<Verification> SqliteStore::verify() const {
  // A connection of its own: the check takes long and must not make a query wait.
  ASSIGN_OR_RETURN(Connection connection, Connection::open(state_->path, Connection::Access::ReadOnly));
  WholeCheck check(connection, WholeCheck::Pages::Check);
  for (;;) {
    ASSIGN_OR_RETURN(const bool more, check.step());
    if (!more) return check.seen();
  }
}

}  // namespace countersign::ledger
