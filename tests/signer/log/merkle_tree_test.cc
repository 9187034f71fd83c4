#include "signer/log/merkle_tree.h"

#include <gtest/gtest.h>

#include "common/durable_file.h"
#include "common/json.h"
#include "places.h"

namespace countersign::log {
namespace {

// A tree kept in memory as the RFC defines it, by recursion over the leaves: the reference for the incremental one.
class PlainTree : public NodeReader {
 public:
  void append(const Digest& leaf) { leaves_.push_back(leaf); }
  Digest root(std::uint64_t begin, std::uint64_t end) const {
    if (begin == end) return sha256(std::string_view());
    if (end - begin == 1) return leaves_[begin];
    std::uint64_t split = 1;
    while (split * 2 < end - begin) split *= 2;
    return node_hash(root(begin, begin + split), root(begin + split, end));
  }
  Result<Digest> node(unsigned level, std::uint64_t index) const override {
    const std::uint64_t end = (index + 1) << level;
    if (end > leaves_.size()) return Error{ErrorCode::Internal, "a proof asked for a subtree outside the tree"};
    return root(index << level, end);
  }
  const Digest& leaf(std::uint64_t index) const { return leaves_[index]; }

 private:
  std::vector<Digest> leaves_;
};

Json vectors() {
  const auto text = read_file(std::string(COUNTERSIGN_VECTORS) + "/merkle_tree.json");
  return Json::parse(text.has_value() ? *text : "null").has_value() ? *Json::parse(*text) : Json();
}

std::vector<Digest> digests(const Json& array) {
  std::vector<Digest> all;
  for (const Json& one : array.as_array()) all.push_back(*Digest::parse(one.as_string()));
  return all;
}

std::uint64_t number(const Json& object, std::string_view name) {
  return static_cast<std::uint64_t>(object.find(name)->as_integer());
}

PlainTree reference_tree(const Json& json) {
  PlainTree tree;
  for (const Json& leaf : json.find("leaves")->as_array()) tree.append(leaf_hash(*from_hex(leaf.as_string())));
  return tree;
}

TEST(MerkleTree, HasTheRootsOfTheReferenceTree) {
  const Json json = vectors();
  ASSERT_TRUE(json.is_object());
  const std::vector<Digest> roots = digests(*json.find("roots"));
  const PlainTree tree = reference_tree(json);
  Frontier frontier;
  for (std::uint64_t size = 0; size <= 8; ++size) {
    if (size != 0) frontier.append(tree.leaf(size - 1));
    EXPECT_EQ(frontier.size(), size);
    EXPECT_EQ(frontier.root().hex(), roots[size].hex());
    EXPECT_EQ(root_of(size, tree)->hex(), roots[size].hex());
  }
}

TEST(MerkleTree, ProvesWhatTheReferenceTreeProves) {
  const Json json = vectors();
  ASSERT_TRUE(json.is_object());
  const std::vector<Digest> roots = digests(*json.find("roots"));
  const PlainTree tree = reference_tree(json);
  for (const Json& row : json.find("inclusion")->as_array()) {
    const std::uint64_t index = number(row, "index");
    const std::uint64_t size = number(row, "size");
    const std::vector<Digest> proof = digests(*row.find("proof"));
    EXPECT_EQ(*inclusion_proof(index, size, tree), proof) << row.compact();
    EXPECT_TRUE(verify_inclusion(tree.leaf(index), index, size, proof, roots[size])) << row.compact();
  }
  for (const Json& row : json.find("consistency")->as_array()) {
    const std::uint64_t first = number(row, "first");
    const std::uint64_t second = number(row, "second");
    const std::vector<Digest> proof = digests(*row.find("proof"));
    EXPECT_EQ(*consistency_proof(first, second, tree), proof) << row.compact();
    EXPECT_TRUE(verify_consistency(first, roots[first], second, roots[second], proof)) << row.compact();
  }
}

class EverySize : public testing::Test {
 protected:
  static constexpr std::uint64_t kMost = 40;
  void SetUp() override {
    for (std::uint64_t i = 0; i < kMost; ++i) tree_.append(leaf_hash(view_of("leaf " + std::to_string(i))));
  }
  Digest root(std::uint64_t size) const { return tree_.root(0, size); }
  PlainTree tree_;
};

TEST_F(EverySize, GrowsIncrementallyToTheRootOfTheDefinition) {
  Frontier frontier;
  for (std::uint64_t size = 1; size <= kMost; ++size) {
    frontier.append(tree_.leaf(size - 1));
    EXPECT_EQ(frontier.root(), root(size)) << size;
    const auto again = Frontier::of(size, frontier.subtrees());
    ASSERT_TRUE(again.has_value());
    EXPECT_EQ(again->root(), root(size));
  }
  EXPECT_FALSE(Frontier::of(3, {root(1)}).has_value());
}

TEST_F(EverySize, ProvesInclusionOfEveryLeafAndOfNoOther) {
  for (std::uint64_t size = 1; size <= kMost; ++size) {
    for (std::uint64_t index = 0; index < size; ++index) {
      const auto proof = inclusion_proof(index, size, tree_);
      ASSERT_TRUE(proof.has_value());
      ASSERT_TRUE(verify_inclusion(tree_.leaf(index), index, size, *proof, root(size))) << index << " of " << size;
      EXPECT_FALSE(verify_inclusion(tree_.leaf((index + 1) % kMost), index, size, *proof, root(size)));
      EXPECT_FALSE(verify_inclusion(tree_.leaf(index), index, size, *proof, root(size % kMost + 1)));
      if (size > 1) {
        EXPECT_FALSE(verify_inclusion(tree_.leaf(index), (index + 1) % size, size, *proof, root(size)));
      }
      std::vector<Digest> longer = *proof;
      longer.push_back(root(1));
      EXPECT_FALSE(verify_inclusion(tree_.leaf(index), index, size, longer, root(size)));
      if (!proof->empty()) {
        const std::vector<Digest> shorter(proof->begin(), proof->end() - 1);
        EXPECT_FALSE(verify_inclusion(tree_.leaf(index), index, size, shorter, root(size)));
      }
    }
    EXPECT_EQ(inclusion_proof(size, size, tree_).error().code, ErrorCode::NotFound);
    EXPECT_FALSE(verify_inclusion(tree_.leaf(0), size, size, {}, root(size)));
  }
}

TEST_F(EverySize, ProvesConsistencyOfEveryPairAndOfNoOther) {
  for (std::uint64_t second = 1; second <= kMost; ++second) {
    for (std::uint64_t first = 0; first <= second; ++first) {
      const auto proof = consistency_proof(first, second, tree_);
      ASSERT_TRUE(proof.has_value());
      ASSERT_TRUE(verify_consistency(first, root(first), second, root(second), *proof)) << first << " to " << second;
      const Digest other = leaf_hash(view_of("another root"));
      EXPECT_FALSE(verify_consistency(first, other, second, root(second), *proof));
      if (first != 0) {
        EXPECT_FALSE(verify_consistency(first, root(first), second, other, *proof));
      }
      std::vector<Digest> longer = *proof;
      longer.push_back(root(1));
      EXPECT_FALSE(verify_consistency(first, root(first), second, root(second), longer));
      for (std::size_t i = 0; i < proof->size(); ++i) {
        std::vector<Digest> changed = *proof;
        changed[i] = other;
        EXPECT_FALSE(verify_consistency(first, root(first), second, root(second), changed));
      }
      if (!proof->empty()) {
        EXPECT_FALSE(verify_consistency(first, root(first), second, root(second), {proof->begin(), proof->end() - 1}));
      }
    }
    EXPECT_EQ(consistency_proof(second + 1, second, tree_).error().code, ErrorCode::NotFound);
    EXPECT_FALSE(verify_consistency(second + 1, root(second), second, root(second), {}));
  }
}

}  // namespace
}  // namespace countersign::log
