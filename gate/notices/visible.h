// What others wrote, shown to people.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace countersign::notices {

// The text on one line, with everything in it to be seen: control characters, line separators and what is invisible are
// written as \u{…}. Cut after about `most` bytes, which an ellipsis says. Precondition: UTF-8.
std::string visible(std::string_view text, std::size_t most = 4096);

}  // namespace countersign::notices
