// The file that a policy's mcp_trust names, read for one decision.
#pragma once

#include <string>

#include "gate/call/mcp_trust.h"

namespace countersign::command {

struct ReadSnapshot {
  gate::GivenSnapshot given;
  std::string notice;  // why it could not be used, for people
};

// Relative paths are of the working directory, as gait takes them. What cannot be read or used is no error: the
// finding says so, and blocks where the risk class demands trust.
ReadSnapshot read_trust_snapshot(const gate::McpTrust& policy);

}  // namespace countersign::command
