// Leaves in memory, with a tree over them made another way than by tiles.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "signer/log/integration.h"
#include "signer/log/merkle_tree.h"

namespace countersign::log::test {

class MemoryLedger : public LeafSource {
 public:
  void append(std::string leaf) {
    hashes_.push_back(leaf_hash(view_of(leaf)));
    leaves_.push_back(std::move(leaf));
    frontier_.append(hashes_.back());
    roots_.push_back(frontier_.root());
  }
  void grow_to(std::uint64_t size) {
    while (leaves_.size() < size) append("entry " + std::to_string(leaves_.size()));
  }
  // As if the ledger's file had been replaced by another one.
  void replace(std::uint64_t index, const std::string& leaf) {
    std::vector<std::string> leaves = std::move(leaves_);
    leaves[index] = leaf;
    leaves_.clear();
    hashes_.clear();
    roots_.clear();
    frontier_ = Frontier();
    for (std::string& each : leaves) append(std::move(each));
  }

  std::uint64_t size() const override { return leaves_.size(); }
  Result<std::vector<std::string>> leaves(std::uint64_t first, std::size_t limit) const override {
    return part(leaves_, first, limit);
  }
  Result<std::vector<Digest>> hashes(std::uint64_t first, std::size_t limit) const override {
    return part(hashes_, first, limit);
  }
  Result<Digest> node(unsigned level, std::uint64_t index) const override {
    Frontier frontier;
    for (std::uint64_t i = index << level; i < (index + 1) << level; ++i) frontier.append(hashes_[i]);
    return frontier.root();
  }
  Result<Digest> root_at(std::uint64_t size) const override { return size == 0 ? empty_root() : roots_[size - 1]; }

 private:
  template <typename T>
  static std::vector<T> part(const std::vector<T>& all, std::uint64_t first, std::size_t limit) {
    const std::uint64_t end = std::min<std::uint64_t>(all.size(), first + limit);
    if (first >= end) return {};
    return {all.begin() + static_cast<std::ptrdiff_t>(first), all.begin() + static_cast<std::ptrdiff_t>(end)};
  }
  std::vector<std::string> leaves_;
  std::vector<Digest> hashes_;
  std::vector<Digest> roots_;  // of the first n + 1
  Frontier frontier_;
};

}  // namespace countersign::log::test
