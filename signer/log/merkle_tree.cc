#include "signer/log/merkle_tree.h"

#include <bit>
#include <string>

namespace countersign::log {
namespace {

constexpr std::uint8_t kLeaf = 0;
constexpr std::uint8_t kNode = 1;

bool is_odd(std::uint64_t number) {
  return (number & 1) != 0;
}

Error does_not_verify(const char* what) {
  return Error{ErrorCode::VerificationFailed, std::string("the ") + what + " proof does not lead to the given root"};
}

// MTH(D[begin:end]). Precondition: begin < end, and `begin` is a multiple of the largest power of two below or at
// end - begin, as all ranges of RFC 6962's recursion are.
Result<Digest> root_of_range(std::uint64_t begin, std::uint64_t end, const NodeReader& nodes) {
  std::vector<Digest> subtrees;
  while (begin < end) {
    const auto level = static_cast<unsigned>(std::bit_width(end - begin) - 1);
    ASSIGN_OR_RETURN(const Digest subtree, nodes.node(level, begin >> level));
    subtrees.push_back(subtree);
    begin += std::uint64_t{1} << level;
  }
  Digest root = subtrees.back();
  for (std::size_t i = subtrees.size() - 1; i-- > 0;) root = node_hash(subtrees[i], root);
  return root;
}

// The largest power of two smaller than `count`. Precondition: count > 1.
std::uint64_t split_of(std::uint64_t count) {
  return std::bit_floor(count - 1);
}

Error beyond(const std::string& what) {
  return Error{ErrorCode::NotFound, what + " lies beyond the tree"};
}

// SUBPROOF(m, D[begin:end], whole) of RFC 6962 §2.1.2, with m counted from `begin`.
Status append_subproof(std::vector<Digest>& proof, std::uint64_t m, std::uint64_t begin, std::uint64_t end, bool whole,
                       const NodeReader& nodes) {
  if (m == end - begin) {
    if (whole) return ok();
    ASSIGN_OR_RETURN(const Digest root, root_of_range(begin, end, nodes));
    proof.push_back(root);
    return ok();
  }
  const std::uint64_t split = split_of(end - begin);
  if (m <= split) {
    RETURN_IF_ERROR(append_subproof(proof, m, begin, begin + split, whole, nodes));
    ASSIGN_OR_RETURN(const Digest right, root_of_range(begin + split, end, nodes));
    proof.push_back(right);
  } else {
    RETURN_IF_ERROR(append_subproof(proof, m - split, begin + split, end, false, nodes));
    ASSIGN_OR_RETURN(const Digest left, root_of_range(begin, begin + split, nodes));
    proof.push_back(left);
  }
  return ok();
}

}  // namespace

Digest empty_root() {
  return sha256(ByteView());
}

Digest leaf_hash(ByteView leaf) {
  return sha256({ByteView(&kLeaf, 1), leaf});
}

Digest node_hash(const Digest& left, const Digest& right) {
  return sha256({ByteView(&kNode, 1), left.bytes(), right.bytes()});
}

Result<Frontier> Frontier::of(std::uint64_t size, std::vector<Digest> subtrees) {
  if (static_cast<std::size_t>(std::popcount(size)) != subtrees.size()) {
    return Error{ErrorCode::Invalid, "a tree of " + std::to_string(size) + " leaves has " +
                                         std::to_string(std::popcount(size)) + " complete subtrees, not " +
                                         std::to_string(subtrees.size())};
  }
  Frontier frontier;
  frontier.size_ = size;
  frontier.subtrees_ = std::move(subtrees);
  return frontier;
}

void Frontier::append(const Digest& leaf_hash) {
  Digest subtree = leaf_hash;
  for (std::uint64_t size = size_; is_odd(size); size >>= 1) {
    subtree = node_hash(subtrees_.back(), subtree);
    subtrees_.pop_back();
  }
  subtrees_.push_back(subtree);
  ++size_;
}

Digest Frontier::root() const {
  if (subtrees_.empty()) return empty_root();
  Digest root = subtrees_.back();
  for (std::size_t i = subtrees_.size() - 1; i-- > 0;) root = node_hash(subtrees_[i], root);
  return root;
}

Result<Digest> root_of(std::uint64_t size, const NodeReader& nodes) {
  if (size == 0) return empty_root();
  return root_of_range(0, size, nodes);
}

Result<std::vector<Digest>> inclusion_proof(std::uint64_t index, std::uint64_t size, const NodeReader& nodes) {
  if (index >= size) return beyond("leaf " + std::to_string(index));
  std::vector<Digest> from_the_top;
  std::uint64_t begin = 0;
  std::uint64_t end = size;
  while (end - begin > 1) {
    const std::uint64_t middle = begin + split_of(end - begin);
    const bool left = index < middle;
    ASSIGN_OR_RETURN(const Digest sibling,
                     left ? root_of_range(middle, end, nodes) : root_of_range(begin, middle, nodes));
    from_the_top.push_back(sibling);
    (left ? end : begin) = middle;
  }
  return std::vector<Digest>(from_the_top.rbegin(), from_the_top.rend());
}

Result<std::vector<Digest>> consistency_proof(std::uint64_t first, std::uint64_t second, const NodeReader& nodes) {
  if (first > second) return beyond("a first size of " + std::to_string(first));
  std::vector<Digest> proof;
  if (first != 0) RETURN_IF_ERROR(append_subproof(proof, first, 0, second, true, nodes));
  return proof;
}

Status verify_inclusion(const Digest& leaf_hash, std::uint64_t index, std::uint64_t size,
                        const std::vector<Digest>& proof, const Digest& root) {
  const Error failure = does_not_verify("inclusion");
  if (index >= size) return failure;
  std::uint64_t at = index;
  std::uint64_t last = size - 1;
  Digest so_far = leaf_hash;
  for (const Digest& sibling : proof) {
    if (last == 0) return failure;
    if (is_odd(at) || at == last) {
      so_far = node_hash(sibling, so_far);
      while (at != 0 && !is_odd(at)) {
        at >>= 1;
        last >>= 1;
      }
    } else {
      so_far = node_hash(so_far, sibling);
    }
    at >>= 1;
    last >>= 1;
  }
  if (last != 0 || so_far != root) return failure;
  return ok();
}

Status verify_consistency(std::uint64_t first, const Digest& first_root, std::uint64_t second,
                          const Digest& second_root, const std::vector<Digest>& proof) {
  const Error failure = does_not_verify("consistency");
  if (first > second) return failure;
  if (first == second) {
    if (!proof.empty() || first_root != second_root) return failure;
    return ok();
  }
  if (first == 0) {
    if (!proof.empty() || first_root != empty_root()) return failure;
    return ok();
  }
  // A first tree that is complete is itself the first node, and so left out of the proof.
  std::size_t next = 0;
  if (!std::has_single_bit(first) && proof.empty()) return failure;
  Digest first_so_far = std::has_single_bit(first) ? first_root : proof[next++];
  Digest second_so_far = first_so_far;
  std::uint64_t at = first - 1;
  std::uint64_t last = second - 1;
  while (is_odd(at)) {
    at >>= 1;
    last >>= 1;
  }
  for (; next < proof.size(); ++next) {
    if (last == 0) return failure;
    if (is_odd(at) || at == last) {
      first_so_far = node_hash(proof[next], first_so_far);
      second_so_far = node_hash(proof[next], second_so_far);
      while (at != 0 && !is_odd(at)) {
        at >>= 1;
        last >>= 1;
      }
    } else {
      second_so_far = node_hash(second_so_far, proof[next]);
    }
    at >>= 1;
    last >>= 1;
  }
  if (last != 0 || first_so_far != first_root || second_so_far != second_root) return failure;
  return ok();
}

}  // namespace countersign::log
