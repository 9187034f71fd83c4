// The files of a decision: its trace and the records beside it, each at --<name>-out, else <name>_<trace_id>.json.
#pragma once

#include <vector>

#include "command/decision/evaluation.h"
#include "command/line/arguments.h"
#include "common/json.h"
#include "common/result.h"

namespace countersign::command {

// Before anything is signed or redeemed: whether the files that the flags name can be written. Fails as prepare_output.
Status prepare_records(const Arguments& arguments);

// Writes them, says where in the members <name>_path of the answer `members`, and warns there of a record that could
// not be written: the decision stands, signed and recorded. Fails where the trace could not be.
Status write_records(const Arguments& arguments, const std::vector<DecisionRecord>& records, Json& members);

}  // namespace countersign::command
