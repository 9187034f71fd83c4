// The run of one tool call that was decided and not executed, as gait's proxy records it (gait-formats §16.3, §17).
#pragma once

#include <string>
#include <vector>

namespace countersign::packs {

struct DecidedCall {
  std::string run_id;
  std::string created_at;  // RFC 3339: the decision's
  std::string tool_name;
  std::string args_digest;
  std::string verdict;
  std::vector<std::string> reason_codes;
  std::vector<std::string> violations;
  std::string trace_id;
};

// One intent, its result {reason_codes, trace_id, verdict, violations} by its digest, and no receipts; unsigned, as
// every runpack. Equal calls give equal bytes.
std::string runpack_of_call(const DecidedCall& call);

}  // namespace countersign::packs
