// What `verify` and `verify chain` say of a runpack: gait's members (gait-formats §16.3).
#pragma once

#include "command/evidence/runpack_file.h"
#include "common/json.h"

namespace countersign::command {

// `ok` is whether the runpack is what its manifest says. Runpacks are unsigned; with `signature_required` that is not
// ok.
Json runpack_answer(const RunpackFile& file, bool signature_required);

}  // namespace countersign::command
