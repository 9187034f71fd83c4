// Secrets kept out of what people and agents are shown, without breaking what is around them.
#pragma once

#include <string>

#include "common/json.h"

namespace countersign::broker {

inline constexpr const char* kMasked = "[REDACTED]";

// The value with "[REDACTED]" in place of every text that stands under a name of a secret ("password", "api_key",
// "Authorization", as whole words of it) or that holds one by its form (gate/vetting/secrets.h).
Json masked(const Json& value);

// A server's answer, MCP's result object of a tool, a resource or a prompt: the texts of its content. One that is JSON
// itself is read, masked and written again; of any other the lines that hold a secret are replaced. Cut after `most`
// bytes of all texts together; true where something was cut.
bool mask_result(Json& result, std::size_t most);

}  // namespace countersign::broker
