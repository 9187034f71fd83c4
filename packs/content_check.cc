#include "packs/content_check.h"

#include <algorithm>
#include <set>

#include "common/text.h"
#include "gate/document/optional_members.h"

namespace countersign::packs {

void ContentCheck::add_to(Json& answer) const {
  gate::put(answer, "files_checked", listed);
  gate::put(answer, "missing_files", missing);
  if (!mismatches.empty()) {
    Json::Array rows;
    for (const Mismatch& each : mismatches) {
      rows.push_back(Json::object({{"path", each.path}, {"expected", each.expected}, {"actual", each.actual}}));
    }
    answer.set("hash_mismatches", std::move(rows));
  }
  gate::put(answer, "extra_files", unlisted);
}

const std::string* content_named(const std::vector<ZipFile>& files, std::string_view name) {
  const auto found = std::ranges::find(files, name, &ZipFile::name);
  return found == files.end() ? nullptr : &found->content;
}

ContentCheck check_contents(const std::vector<ZipFile>& files, const Json& listed, std::string_view manifest) {
  ContentCheck check;
  std::set<std::string, std::less<>> known{std::string(manifest)};
  for (const Json& row : listed.as_array()) {
    ++check.listed;
    const std::string path(row.text("path"));
    const std::string expected = lowered(trimmed(row.text("sha256")));
    known.insert(path);
    const std::string* content = content_named(files, path);
    if (content == nullptr) {
      check.missing.push_back(path);
      continue;
    }
    const std::string actual = sha256(*content).hex();
    if (actual != expected) check.mismatches.push_back({path, expected, actual});
  }
  for (const ZipFile& file : files) {
    if (!known.contains(file.name)) check.unlisted.push_back(file.name);
  }
  return check;
}

}  // namespace countersign::packs
