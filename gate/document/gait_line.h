// A document as one line of gait's logs and journals: members in their order, Go's HTML-safe escapes, no line break.
#pragma once

#include <string>

#include "common/json.h"

namespace countersign::gate {

std::string gait_log_line(const Json& document);

}  // namespace countersign::gate
