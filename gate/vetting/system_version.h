// Versions of an operating system's packages in the order of its package manager; compare_versions() asks these.
#pragma once

#include <optional>
#include <string_view>

namespace countersign::vetting {

// [EPOCH:]UPSTREAM[-REVISION] (Debian Policy §5.6.12). Nothing where one of them is none.
std::optional<int> compare_debian_versions(std::string_view a, std::string_view b);
// NUMBER{.NUMBER}[LETTER]{_SUFFIX[NUMBER]}[-rNUMBER], as apk-tools 2 orders them. Nothing where one of them is none.
std::optional<int> compare_alpine_versions(std::string_view a, std::string_view b);

}  // namespace countersign::vetting
