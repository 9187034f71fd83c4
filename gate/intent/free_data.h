// The free maps of an intent, whose texts and keys gait trims before it hashes them (gait-formats §5.2).
#pragma once

#include <string>

#include "common/json.h"
#include "common/result.h"
#include "gate/intent/intent.h"

namespace countersign::gate {

// Trims every text and every key below `value`, or refuses what trimming changes and its digest would not tell from
// others: reason unbound_white_space or inexact_integer. `what` begins gait's errors, `path` is the value's place.
// Fails with Invalid. Depth is bounded by the JSON reader.
Status trim_free_data(Json& value, const std::string& what, const std::string& path, ArgsReading reading);

}  // namespace countersign::gate
