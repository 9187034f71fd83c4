// One transaction of the ledger: items one after another, then one COMMIT. An item that can still be refused
// once its record is written stands under a savepoint of its own.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "common/result.h"
#include "signer/ledger/newest.h"
#include "signer/ledger/sqlite_connection.h"
#include "signer/ledger/sqlite_tree.h"
#include "signer/ledger/store.h"
#include "signer/log/merkle_tree.h"

namespace countersign::ledger {

class Batch {
 public:
  // `frontier` is the tree as committed, `newest` what of it no table holds yet. Nothing is begun.
  Batch(Connection& connection, const log::Frontier& frontier, const Newest& newest)
      : connection_(connection), newest_(newest), before_(frontier.size()), frontier_(frontier) {}
  ~Batch();  // rolls back unless finished
  Batch(const Batch&) = delete;
  Batch& operator=(const Batch&) = delete;

  Status begin();
  // Refusals leave the transaction as it was; after any other failure failed() is true and the batch is lost.
  Result<Committed> append(const Item& item);
  // Appends its record of kind "key" and registers or moves the key. Refuses with Conflict: "key_changed" (another role
  // or algorithm under the kid), "key_state" (keymgmt/lifecycle.h), "two_active_keys".
  // The events of `change` go with the first of its keys.
  Status put_key(const keymgmt::PublishedKey& key, UtcTime at, const KeyChange& change, bool first);
  bool failed() const { return failed_; }
  bool wrote() const { return frontier_.size() != before_; }

  // Keeps head, time and sequence ceiling, and commits.
  Status finish(const TimeMark& mark, std::uint64_t sequence_ceiling, bool key_set_changed);
  const log::Frontier& frontier() const { return frontier_; }
  const std::vector<Digest>& leaves() const { return leaves_; }
  const std::vector<DecisionPlace>& places() const { return places_; }

 private:
  struct Line;  // an item with its place in the tree
  Status admit(const Item& item);
  Status write(const Line& line);
  void adopt(const Line& line);
  Status write_derived(const Item& item, std::uint64_t index);
  Status write_decision(const Decision& decision, std::uint64_t index);
  Status keep_newest();
  Status write_event(const OutboxEvent& event);
  // Runs `query`; a constraint that says no becomes `refusal`.
  Status run(Query& query, const Error& refusal);
  Error lost(Error error);

  Connection& connection_;
  const Newest& newest_;
  const std::uint64_t before_;
  log::Frontier frontier_;
  std::vector<Digest> leaves_;         // of the records appended
  std::vector<DecisionPlace> places_;  // of their decisions
  bool failed_ = false;
};

}  // namespace countersign::ledger
