// The ledger in one SQLite file: WAL, synchronous=FULL, mode 0600, one writer in one process (a lock file beside it
// says so). docs/decisions/0004-sqlite-ledger.md has the reasons.
//
// Threads: commit, put_keys, told and next_sequence take the writer's lock; next_sequence normally only an atomic
// counter. All reading goes over a second connection and sees what is committed; it never waits for a sync.
//
// Failing: where the disk is full (SQLITE_FULL), the transaction is rolled back, the head is read again and must be the
// one before; then all items fail with Unavailable, reason "ledger_full", and the store goes on once there is space.
// That is safe because a transaction counts only by its last WAL frame, whose checksum covers all before it: a write
// that did not fit cannot have completed it. Every other failure of a transaction, above all of its sync, poisons the
// store (reason "ledger_poisoned"): what reached the disk is unknown, so only a restart that reads the disk may go on.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "signer/ledger/background_check.h"
#include "signer/ledger/store.h"
#include "signer/ledger/time_guard.h"

namespace countersign::ledger {

struct SqliteOptions {
  std::chrono::nanoseconds clock_step = std::chrono::seconds(5);  // bound of the TimeGuard
  // How many of the newest records open() hashes again and compares with the tables, whatever the ledger's size. A
  // ledger that has no more is checked whole, as watch() and verify() check one of any size.
  std::uint64_t recheck = 2'048;
  std::string boot_id = this_boot_id();
};

class SqliteStore : public Store {
 public:
  // Makes a new ledger, whole or not at all. Fails with Conflict, reason "ledger_exists", if there is a file at `path`.
  static Result<std::unique_ptr<SqliteStore>> create(const std::string& path, const Clock& clock,
                                                     SqliteOptions options = {});
  // Opens and checks, in the same time for a ledger of any size: schema, file mode, the tree against (size, root), keys
  // and restores, the newest records against their leaves and the tables of redemptions, executions and decisions
  // against these records. Where damage was found when the ledger was last open, everything is checked. Fails with
  // Unavailable, reason "ledger_missing" (never makes an empty one) or "ledger_in_use"; with Refused, reason
  // "ledger_truncated" (records are missing), "ledger_forked" (the records are not those of the root), "ledger_corrupt"
  // (SQLite or a hash says so), "ledger_exposed" (others may read or write the file), "ledger_version" (made by another
  // version). The hint says what to do.
  static Result<std::unique_ptr<SqliteStore>> open(const std::string& path, const Clock& clock,
                                                   SqliteOptions options = {});
  ~SqliteStore() override;

  using Store::commit;
  Result<std::vector<Result<Committed>>> commit(std::span<const Item* const> items) override;
  TreeHead head() const override;
  Result<Digest> root_at(std::uint64_t size) const override;
  Result<StoredRecord> record(std::uint64_t index) const override;
  Result<std::vector<Record>> records(std::uint64_t first, std::size_t limit) const override;
  Result<std::vector<Digest>> leaf_hashes(std::uint64_t first, std::size_t limit) const override;
  Result<std::vector<std::string>> leaves(std::uint64_t first, std::size_t limit) const override;
  Result<Digest> node(unsigned level, std::uint64_t index) const override;
  Result<std::vector<Digest>> inclusion_proof(std::uint64_t index, std::uint64_t size) const override;
  Result<std::vector<Digest>> consistency_proof(std::uint64_t first, std::uint64_t second) const override;
  Result<std::optional<Decision>> latest_decision(const Digest& intent, const Digest& policy) const override;
  Result<std::vector<Decision>> pending(UtcTime since, std::size_t limit) const override;
  Result<std::optional<std::string>> intent_document(const Digest& intent) const override;
  Result<std::optional<std::string>> answer_for(const IdempotencyKey& key) const override;
  Result<bool> redeemed(const std::string& token_id) const override;
  Result<std::optional<std::string>> used_by(const std::string& token_id) const override;
  Result<std::vector<MintedToken>> minted(const Digest& intent, const Digest& policy) const override;
  Result<std::optional<MintedToken>> minted_with_id(const std::string& token_id) const override;
  Result<std::optional<std::uint64_t>> index_of_trace(const Digest& intent, const Digest& trace_digest) const override;
  Result<std::uint64_t> next_sequence() override;
  Result<std::vector<keymgmt::PublishedKey>> keys() const override;
  Result<std::uint64_t> key_set_version() const override;
  using Store::put_keys;
  Status put_keys(std::span<const keymgmt::PublishedKey> keys, UtcTime at, const KeyChange& change) override;
  Result<std::vector<OutboxRow>> outbox(std::size_t limit) const override;
  Status told(std::uint64_t outbox_id, bool success, UtcTime at) override;
  Result<UtcTime> high_water() const override;
  Status usable(UtcTime made_at) const override;
  const std::vector<Restore>& restores() const override;
  Result<std::uint64_t> forget_answers(UtcTime before, std::size_t limit) override;

  // Checks the rest of the ledger in the background (background_check.h). Where it finds damage, commit() refuses items
  // of kind "signed" and "executed" from then on (reason of the finding), and `damaged` is called on another thread.
  // Call it once, after confinement: it starts a thread.
  void watch(BackgroundCheck::Options options, BackgroundCheck::Damaged damaged);
  // BackgroundCheck::again and report. Both after watch().
  std::uint64_t check_again();
  std::optional<CheckReport> check_report() const;  // nothing before watch()

  // Everything: SQLite's integrity check, every leaf and body hashed, every redemption and execution found again.
  // Takes minutes on a large ledger and does not stop signing. Fails as open() does.
  Result<Verification> verify() const override;

  // Judges the clock; its mark is kept by every commit. commit() refuses items of kind "signed" while it is stopped.
  TimeGuard& time_guard();
  bool poisoned() const;

 private:
  struct State;
  explicit SqliteStore(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace countersign::ledger
