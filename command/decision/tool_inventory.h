// The file of `--wrkr-inventory`.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "command/line/arguments.h"
#include "common/result.h"
#include "gate/context/inventory.h"
#include "gate/intent/intent.h"

namespace countersign::command {

// Nothing where the flag is absent. What cannot be read is refused (exit 3) for the profile oss-prod and for risk high
// and critical, as gait does; otherwise a line is added to `warnings` and no tool is known, so that nothing is
// permitted by it.
Result<std::optional<gate::ToolInventory>> read_tool_inventory(const Arguments& arguments, const gate::Intent& intent,
                                                               std::vector<std::string>& warnings);

}  // namespace countersign::command
