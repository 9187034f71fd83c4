// The Merkle tree of RFC 6962 §2.1 over leaves that are appended and never changed: roots in O(log n) an append, proofs
// and their verification. Nothing here knows what a leaf means or where it is kept.
#pragma once

#include <cstdint>
#include <vector>

#include "common/bytes.h"
#include "common/digest.h"
#include "common/result.h"

namespace countersign::log {

Digest empty_root();                                        // SHA-256 of nothing
Digest leaf_hash(ByteView leaf);                            // SHA-256(0x00 || leaf)
Digest node_hash(const Digest& left, const Digest& right);  // SHA-256(0x01 || left || right)

// The roots of the complete subtrees that a tree of `size` leaves consists of, largest first: enough to append and to
// know the root. 32 bytes a level.
class Frontier {
 public:
  Frontier() = default;
  // `subtrees` as subtrees() gave them. Fails with Invalid if their number is not the number of one bits in `size`.
  static Result<Frontier> of(std::uint64_t size, std::vector<Digest> subtrees);

  void append(const Digest& leaf_hash);
  std::uint64_t size() const { return size_; }
  Digest root() const;
  const std::vector<Digest>& subtrees() const { return subtrees_; }

 private:
  std::uint64_t size_ = 0;
  std::vector<Digest> subtrees_;
};

// Where the hashes of a tree come from.
class NodeReader {
 public:
  virtual ~NodeReader() = default;
  // The root of the complete subtree over the leaves [index << level, (index + 1) << level). Asked only for subtrees
  // inside the tree.
  virtual Result<Digest> node(unsigned level, std::uint64_t index) const = 0;
};

// The root of the first `size` leaves.
Result<Digest> root_of(std::uint64_t size, const NodeReader& nodes);
// PATH(index, D[size]) of RFC 6962 §2.1.1. Fails with NotFound unless index < size.
Result<std::vector<Digest>> inclusion_proof(std::uint64_t index, std::uint64_t size, const NodeReader& nodes);
// PROOF(first, D[second]) of RFC 6962 §2.1.2; empty for first == 0 and for first == second. Fails with NotFound unless
// first <= second.
Result<std::vector<Digest>> consistency_proof(std::uint64_t first, std::uint64_t second, const NodeReader& nodes);

// Fail with VerificationFailed. RFC 9162 §2.1.3.2 and §2.1.4.2 give the algorithms.
Status verify_inclusion(const Digest& leaf_hash, std::uint64_t index, std::uint64_t size,
                        const std::vector<Digest>& proof, const Digest& root);
Status verify_consistency(std::uint64_t first, const Digest& first_root, std::uint64_t second,
                          const Digest& second_root, const std::vector<Digest>& proof);

}  // namespace countersign::log
