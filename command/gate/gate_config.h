// gait's configuration of the gate: `.gait/config.yaml` supplies flags of `gate eval` that are not given (reference:
// gait-formats §2.4).
#pragma once

#include "command/line/arguments.h"
#include "common/result.h"

namespace countersign::command {

inline constexpr Flag kConfigFlag = {"config", Flag::Kind::Text, "FILE",
                                     "flags that are not given, under `gate:` (.gait/config.yaml where it exists)"};
inline constexpr Flag kNoConfigFlag = {"no-config", Flag::Kind::Switch, "", "take flags from the command line alone"};

// `arguments` with what the configuration supplies for flags that are not given. Members it does not know
// are ignored, as gait does. Fails with Invalid where --config names a file that is not there, and where a
// configuration is no YAML or a member is of the wrong kind, naming it.
Result<Arguments> with_gate_config(const Arguments& arguments);

}  // namespace countersign::command
