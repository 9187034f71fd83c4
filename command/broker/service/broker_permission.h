// Why a call may go to the gate as something to allow; for the sources of BrokerService alone.
#pragma once

#include <optional>
#include <string>

#include "command/broker/service/broker_service.h"

namespace countersign::command {

struct BrokerService::Permission {
  std::string rule;
  std::string policy_name;                     // of the generated policy's rule
  std::optional<broker::ToolRequest> request;  // its approvals are redeemed by this call
  bool break_glass = false;                    // counts also where the operator's policy asks for approvals
};

}  // namespace countersign::command
