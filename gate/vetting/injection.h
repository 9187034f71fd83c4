// Text that addresses the model instead of the reader: instructions in files and tool descriptions, and characters that
// nobody sees.
#pragma once

#include <vector>

#include "gate/vetting/file_view.h"

namespace countersign::vetting {

// Looks at the whole of a text file: as it is written, with its escapes resolved, and, where it is JSON, at each string
// of it. Findings are Category::Injection, High, one for each rule and line.
void find_injection(const FileView& file, std::vector<Finding>& findings);

// The same over one text, such as a tool's description; `path` says what it is.
void find_injection_in(std::string_view text, const std::string& path, std::vector<Finding>& findings);

}  // namespace countersign::vetting
