// What a session did between two checkpoints, as a runpack (gait's session checkpoints).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "common/json.h"

namespace countersign::packs {

// `events` are gait.runpack.session_event documents, at least one: an intent and a result for each. An intent goes by
// the digest of the whole intent, a result by that of {reason_codes, trace_id, trace_path, verdict, violations} (an
// empty list as null). `index` counts checkpoints from 1.
std::string runpack_of_session(std::string_view run_id, std::string_view created_at, std::int64_t index,
                               const std::vector<Json>& events);

}  // namespace countersign::packs
