// One file as content scanners get it, from the tree or from inside an archive of it.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "gate/vetting/finding.h"

namespace countersign::vetting {

struct FileView {
  std::string path;  // as in Finding::path
  std::string_view bytes;
  bool executable = false;
  std::optional<std::string> text;  // of a text file (text_scan.h)

  // Without the folders and archives it lies in.
  std::string_view name() const {
    const std::size_t cut = path.find_last_of("/!");
    return cut == std::string::npos ? std::string_view(path) : std::string_view(path).substr(cut + 1);
  }
};

}  // namespace countersign::vetting
