// The readers of manifests and lock files, and what they share. Each adds what its file says and answers whether the
// file has the form it should have.
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "common/json.h"
#include "gate/vetting/dependencies.h"

namespace countersign::vetting {

// A finding: something without an exact version.
void unpinned(const FileView& file, int line, std::string_view what, Dependencies& all);
// The file as a JSON object.
std::optional<Json> json_of(const FileView& file);
// Without line ends.
std::vector<std::string_view> lines_of(std::string_view text);

bool read_requirements(const FileView& file, Dependencies& all);
bool read_pipfile_lock(const FileView& file, Dependencies& all);
bool read_pyproject(const FileView& file, Dependencies& all);
bool read_setup_cfg(const FileView& file, Dependencies& all);
bool read_setup_py(const FileView& file, Dependencies& all);
bool read_python_metadata(const FileView& file, Dependencies& all);

}  // namespace countersign::vetting
