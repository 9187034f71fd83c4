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
  // Prose for people, such as a README: no program runs it, and a model has no more reason to obey it than to read it.
  bool is_document() const {
    for (const std::string_view ending : {".md", ".markdown", ".rst", ".adoc", ".txt"}) {
      if (name().ends_with(ending)) return true;
    }
    return name() == "README" || name() == "CHANGELOG" || name() == "SECURITY";
  }
};

}  // namespace countersign::vetting
