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
// Without line ends, be they of Unix or of Windows.
std::vector<std::string_view> source_lines(std::string_view text);

bool read_requirements(const FileView& file, Dependencies& all);
bool read_pipfile_lock(const FileView& file, Dependencies& all);
bool read_pyproject(const FileView& file, Dependencies& all);
bool read_setup_cfg(const FileView& file, Dependencies& all);
bool read_setup_py(const FileView& file, Dependencies& all);
bool read_python_metadata(const FileView& file, Dependencies& all);

// Of an image: the lists of its distribution's own packages (dpkg's status, apk's installed; others are known by name
// and told), wherever its root lies in the tree.
bool is_system_list(std::string_view path);
bool read_system_list(const FileView& file, Dependencies& all);
// Notes what an os-release says; once all files were read, settle_releases() gives each package of a system its
// release. Those of a system that is not looked up here are left out and told.
void note_release(const FileView& file, Dependencies& all);
void settle_releases(Dependencies& all);

}  // namespace countersign::vetting
