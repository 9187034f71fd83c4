#include "signer/ledger/newest.h"

#include <algorithm>
#include <utility>

namespace countersign::ledger {

std::int64_t intent_key(const Digest& intent) {
  std::uint64_t key = 0;
  for (const std::uint8_t byte : intent.bytes().first(sizeof key)) key = key << 8 | byte;
  return static_cast<std::int64_t>(key);
}

Newest::Newest(std::uint64_t size, std::vector<Digest> leaves, std::vector<DecisionPlace> places)
    : first_(size - leaves.size()), leaves_(std::move(leaves)), places_(std::move(places)) {}

Newest::Newest(Newest&& other) noexcept
    : first_(other.first_), leaves_(std::move(other.leaves_)), places_(std::move(other.places_)) {}

void Newest::adopt(std::span<const Digest> leaves, std::span<const DecisionPlace> places) {
  const std::lock_guard lock(mutex_);
  leaves_.insert(leaves_.end(), leaves.begin(), leaves.end());
  places_.insert(places_.end(), places.begin(), places.end());
  const std::uint64_t size = first_ + leaves_.size();
  const std::uint64_t tiled = size - size % kTile;
  if (tiled > first_) {
    leaves_.erase(leaves_.begin(), leaves_.begin() + static_cast<std::ptrdiff_t>(tiled - first_));
    first_ = tiled;
  }
  const std::uint64_t sorted = size - size % kDecisionBlock;
  const auto kept = std::find_if(places_.begin(), places_.end(),
                                 [sorted](const DecisionPlace& place) { return place.index >= sorted; });
  places_.erase(places_.begin(), kept);
}

std::optional<Digest> Newest::leaf(std::uint64_t index) const {
  const std::lock_guard lock(mutex_);
  if (index < first_ || index - first_ >= leaves_.size()) return std::nullopt;
  return leaves_[index - first_];
}

std::vector<std::uint64_t> Newest::decisions_on(std::int64_t intent) const {
  std::vector<std::uint64_t> found;
  const std::lock_guard lock(mutex_);
  for (auto place = places_.rbegin(); place != places_.rend(); ++place) {
    if (place->intent == intent) found.push_back(place->index);
  }
  return found;
}

}  // namespace countersign::ledger
