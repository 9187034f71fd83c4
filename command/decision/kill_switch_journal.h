// What the kill switch stopped: one line of JSON for each decision, beside the state file (reference: gait-formats
// §14).
#pragma once

#include <string>

#include "common/result.h"
#include "gate/trace/trace.h"

namespace countersign::command {

// Appends the decision to `kill_switch_journal.jsonl` in the folder of `state_path`, where an entry of the state
// stopped it. Fails with Unavailable, also where the journal is a symbolic link.
Status journal_kill_switch(const std::string& state_path, const gate::TraceInputs& inputs, const std::string& trace_id);

}  // namespace countersign::command
