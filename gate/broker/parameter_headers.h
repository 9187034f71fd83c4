// Arguments that a tool wants in the head of a call, too (MCP 2026-07-28, "Custom Headers": x-mcp-header).
#pragma once

#include <string>
#include <vector>

#include "common/json.h"
#include "common/result.h"

namespace countersign::broker {

// As a field of a head can carry it: plain where it is printable ASCII, else =?base64?…?=.
std::string field_value(const std::string& text);

// "Mcp-Param-NAME: VALUE" for each argument whose property the schema marks with `x-mcp-header: NAME` and that is
// there. Fails with Invalid, reason "not_sent", where a mark is none of the protocol's: not on a text, whole number or
// boolean that properties alone lead to, no field name (RFC 9110 §5.6.2), or given twice.
Result<std::vector<std::string>> parameter_headers(const Json& schema, const Json& arguments);

}  // namespace countersign::broker
