// A decision as an item for an issue tracker, the same one each time.
#pragma once

#include <string>
#include <string_view>

#include "common/json.h"

namespace countersign::command {

// What the written workflow's bridge makes of a trace, member by member: {"ok","mode","trace_path","trace_id",
// "verdict","tool_name","policy_digest","intent_digest","violations","reason_codes","title","description"}.
Json triage_item(const Json& trace, const std::string& path, std::string_view mode);

}  // namespace countersign::command
