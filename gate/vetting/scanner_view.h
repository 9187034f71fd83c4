// The tree as a scanner is given it: under names that mean nothing to it. What a scanner leaves out by name (".git",
// "node_modules", lock files, its own ignore files) and marks no flag of its overrides would let a tree say what is
// looked at.
#pragma once

#include <map>
#include <string>

#include "common/temporary_folder.h"
#include "gate/vetting/finding.h"
#include "gate/vetting/tree.h"

namespace countersign::vetting {

enum class ViewKind {
  Code,  // folders are numbered; names stay but for those of control files
  Text,  // names end in ".text" and have no other dot: a scanner of content takes none for an image or a lock file
};

class ScannerView {
 public:
  // Makes it below `store`, on the file system of the snapshot, for its files are linked and not copied. Links of the
  // tree are left out: what they lead to is in it. Fails with Unavailable.
  static Result<ScannerView> make(const Tree& tree, ViewKind kind, const std::string& store);

  const std::string& folder() const { return folder_.path(); }
  // Puts the tree's own names in the place of the view's.
  void restore(ScannerReport& report) const;

 private:
  explicit ScannerView(TemporaryFolder folder) : folder_(std::move(folder)) {}
  TemporaryFolder folder_;
  std::map<std::string, std::string> real_;  // the tree's path of each of the view
};

// The views of one tree, each made when the first scanner wants it. Scanners see them read-only.
class ScannerViews {
 public:
  // `tree` outlives it; `store` is on the file system of the snapshot.
  ScannerViews(const Tree& tree, std::string store) : tree_(tree), store_(std::move(store)) {}
  // Fails as ScannerView::make.
  const Result<ScannerView>& of(ViewKind kind);
  const Tree& tree() const { return tree_; }
  const std::string& store() const { return store_; }

 private:
  const Tree& tree_;
  std::string store_;
  std::map<ViewKind, Result<ScannerView>> made_;
};

}  // namespace countersign::vetting
