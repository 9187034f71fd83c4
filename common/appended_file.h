// A file that grows by whole lines, for several writers.
#pragma once

#include <string>
#include <string_view>

#include "common/result.h"

namespace countersign {

// Appends `line` and a line break to a file that only its owner can read, making it with mode 0600, and syncs it. A
// line that cannot be written whole is taken back. Fails with Refused for a link, for what is no regular file and for
// one that stays open to others; with Unavailable otherwise.
Status append_line(const std::string& path, std::string_view line);

}  // namespace countersign
