// A tree of files as it was vetted: what is in it, and the one digest that stands for all of it.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "common/digest.h"
#include "common/result.h"

namespace countersign::vetting {

// Bounds of what is looked at; beyond them a source is refused, never read in part.
struct TreeLimits {
  std::size_t files = 100'000;
  std::uint64_t bytes = std::uint64_t{2} << 30;         // of all files together
  std::uint64_t file_bytes = std::uint64_t{256} << 20;  // of one file
  std::size_t depth = 64;                               // folders above a file
  std::size_t path = 1024;                              // bytes of a path
};

struct TreeEntry {
  enum class Kind { File, Link };
  std::string path;  // relative, '/' between names, no "." or ".."
  Kind kind = Kind::File;
  bool executable = false;
  std::uint64_t size = 0;
  Digest digest{};       // of a file's bytes
  std::string target{};  // of a link, as written
};

struct Tree {
  std::string folder;              // where it lies
  std::vector<TreeEntry> entries;  // sorted by path, bytewise
  // SHA-256 over one line for each entry, "file|exec SIZE SHA256 PATH\n" or "link TARGET\0PATH\n", in their order.
  Digest digest() const;
};

// Whether a path may stand in a tree: UTF-8, no control or bidirectional characters, no empty, "." or ".." part, not
// absolute, no backslash, within the limits. Fails with Invalid, reason "unsafe_path".
Status check_path(std::string_view path, const TreeLimits& limits);
// Whether a link at `path` stays inside the tree, read as text.
bool stays_inside(std::string_view path, std::string_view target);

// Reads every regular file and link below `folder` once, without following links. Fails with NotFound where there is no
// such folder, with TooLarge beyond the limits, with Invalid on other kinds of files and unsafe names.
Result<Tree> read_tree(const std::string& folder, const TreeLimits& limits);

// Copies `folder` into `into` (a new, empty folder) while reading it: the digest is of the bytes that were copied,
// whatever changes meanwhile. Links that leave the tree are not copied and stand in `left_out`. Files become 0444 or
// 0555.
Result<Tree> copy_tree(const std::string& folder, const std::string& into, const TreeLimits& limits,
                       std::vector<TreeEntry>& left_out);

// The bytes of one file of the tree. Fails with Unavailable where it is gone or another.
Result<std::string> content_of(const Tree& tree, const TreeEntry& entry);

}  // namespace countersign::vetting
