// What a softhsm2.conf says (softhsm2.conf(5)): one `name = value` a line; what follows a # is a comment.
#pragma once

#include <string>
#include <string_view>

namespace countersign {

// The value of directories.tokendir in that text, the last where there are several; empty where there is none.
std::string softhsm_tokendir(std::string_view text);

}  // namespace countersign
