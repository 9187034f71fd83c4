// Versions in the order of their ecosystem.
#pragma once

#include <optional>
#include <string_view>

#include "gate/vetting/package.h"

namespace countersign::vetting {

// Below 0, 0 or above as `a` is older than, equal to or newer than `b`; nothing where one of them is no version:
// Semantic Versioning 2.0.0 §11 for npm, Go (a leading "v" aside) and crates.io, PEP 440 for PyPI, dpkg's
// and apk's order for Debian and Alpine (system_version.h). "0" is older than all.
std::optional<int> compare_versions(Ecosystem ecosystem, std::string_view a, std::string_view b);

}  // namespace countersign::vetting
