// What runs, or fetches, when a package is installed, imported or built rather than when its tool is called.
#pragma once

#include <vector>

#include "gate/vetting/file_view.h"

namespace countersign::vetting {

// The files of one tree by their paths, for a hook's command names a file.
class TreeFiles {
 public:
  virtual ~TreeFiles() = default;
  // The text of `path` in the tree, or nothing.
  virtual std::optional<std::string> text_of(const std::string& path) const = 0;
};

// Findings are Category::InstallHook: High where what runs also reaches the network or starts programs, Medium
// otherwise; and Category::Configuration for what an image fetches while it is built. Executables that nothing here can
// read are Low.
void find_install_hooks(const FileView& file, const TreeFiles& tree, std::vector<Finding>& findings);

}  // namespace countersign::vetting
