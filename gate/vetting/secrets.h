// Credentials left in files: the forms that issuers give theirs, and assignments of values too random to be words.
#pragma once

#include <vector>

#include "gate/vetting/file_view.h"

namespace countersign::vetting {

// Looks at text and binary files alike. Findings are Category::Secret, High, one for each secret and line; they show
// its first four characters at most.
void find_secrets(const FileView& file, std::vector<Finding>& findings);

// Shannon entropy of the bytes, in bits a byte.
double entropy(std::string_view text);

}  // namespace countersign::vetting
