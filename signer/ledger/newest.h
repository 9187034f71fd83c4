// What the newest records add to the tree and to the decisions before a table holds it: the leaf hashes of the tile
// that is not full yet, and where the decisions of the last, not yet sorted block stand. Made again from the records at
// open.
//
// One thread adds (the one that commits); any may look. Who looks here first and into the tables then misses nothing:
// the tables have what leaves here before it leaves.
#pragma once

#include <cstdint>
#include <mutex>
#include <optional>
#include <span>
#include <vector>

#include "common/digest.h"

namespace countersign::ledger {

inline constexpr std::uint64_t kTile = 256;                  // leaves in a row of `tiles`
inline constexpr std::uint64_t kDecisionBlock = 1024;        // records whose decisions are sorted and written together
inline constexpr std::uint64_t kDecisionBucket = 16 * 1024;  // records a bucket of `decisions` spans

// Where the decisions on an intent are looked for.
std::int64_t intent_key(const Digest& intent);

struct DecisionPlace {
  std::int64_t intent = 0;  // intent_key
  std::uint64_t index = 0;
};

class Newest {
 public:
  Newest() = default;
  // `leaves`: the hashes from the last multiple of kTile up to `size`; `places`: of the records from the last multiple
  // of kDecisionBlock up to `size`.
  Newest(std::uint64_t size, std::vector<Digest> leaves, std::vector<DecisionPlace> places);
  Newest(Newest&& other) noexcept;

  // Takes over what a commit added and forgets what the tables hold since that commit.
  void adopt(std::span<const Digest> leaves, std::span<const DecisionPlace> places);

  std::optional<Digest> leaf(std::uint64_t index) const;
  // Newest first.
  std::vector<std::uint64_t> decisions_on(std::int64_t intent) const;

  // For the thread that adds.
  const std::vector<Digest>& leaves() const { return leaves_; }
  const std::vector<DecisionPlace>& places() const { return places_; }

 private:
  mutable std::mutex mutex_;
  std::uint64_t first_ = 0;            // of leaves_; guarded by mutex_
  std::vector<Digest> leaves_;         // guarded by mutex_
  std::vector<DecisionPlace> places_;  // guarded by mutex_
};

}  // namespace countersign::ledger
