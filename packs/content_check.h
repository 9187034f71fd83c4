// Whether an archive holds exactly the files that its manifest lists.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/json.h"
#include "packs/zip_archive.h"

namespace countersign::packs {

struct Mismatch {
  std::string path;
  std::string expected;
  std::string actual;
};

struct ContentCheck {
  std::int64_t listed = 0;
  std::vector<std::string> missing;
  std::vector<Mismatch> mismatches;
  std::vector<std::string> unlisted;  // gait does not notice them
  bool passed() const { return missing.empty() && mismatches.empty() && unlisted.empty(); }
  // gait's members files_checked, missing_files, hash_mismatches, and ours extra_files; empty ones left out.
  void add_to(Json& answer) const;
};

// `listed` is a list of {path, sha256, …}; `manifest` is the file that lists and is not listed itself.
ContentCheck check_contents(const std::vector<ZipFile>& files, const Json& listed, std::string_view manifest);

// The file of that name; null where there is none.
const std::string* content_named(const std::vector<ZipFile>& files, std::string_view name);

}  // namespace countersign::packs
