// What `mcp proxy` and `mcp serve` write of a judged tool call.
#pragma once

#include <string>

#include "command/mcp/tool_call_answer.h"
#include "common/json.h"
#include "common/result.h"

namespace countersign::command {

inline constexpr Flag kLogExportFlag = {"export-log-out", Flag::Kind::Text, "FILE",
                                        "a log that grows by one line of JSON for each call"};
inline constexpr Flag kOtelExportFlag = {"export-otel-out", Flag::Kind::Text, "FILE",
                                         "the same as records of OpenTelemetry's shape"};

// Paths; an empty one is not wanted.
struct CallOutputs {
  std::string trace;
  std::string runpack;     // of this one call (packs/call_runpack.h)
  std::string pack;        // of that, signed (DecisionSigner::pack)
  std::string log_export;  // grow by a line for each call (call_exports.h)
  std::string otel_export;
};

// Checks, before anything is signed or redeemed, that all of them can be written, and makes missing folders. Fails with
// Invalid, also for a relative path that leaves its folder, and with Refused where a link or no regular file stands
// there.
Status prepare_outputs(const CallOutputs& outputs);

// Writes them, 0600, and adds their paths to the call's answer as gait has them: trace_path, runpack_path, pack_path
// with pack_id, log_export, otel_export. Fails with Unavailable and Refused: the decision is recorded then, and its
// caller has no answer.
Status write_outputs(const CallOutputs& outputs, const JudgedCall& judged, const PresentedCall& presented,
                     DecisionSigner& signer, Json& answer);

// "20261127T063500.500000000", as gait's names of files have it.
std::string file_stamp(UtcTime now);

}  // namespace countersign::command
