// The heads of requests to the MCP endpoint: what browsers must not send, and what has to agree with the body (Model
// Context Protocol, "Streamable HTTP", 2025-11-25 and 2026-07-28).
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "common/json.h"
#include "signer/transport/http_message.h"

namespace countersign::command {

// An answer that no tool had a part in: an HTTP status, and an error of JSON-RPC.
struct McpRefusal {
  int status = 400;
  int code = 0;
  std::string detail;
};

// Host and Origin, against pages that a browser was led to (DNS rebinding). `authority` is where it listens, as
// "127.0.0.1:8123"; empty on a Unix socket, which no page reaches under any name.
std::optional<McpRefusal> check_place(const transport::HttpHeaders& headers, std::string_view authority);

// The secret in `Authorization: Bearer SECRET`; empty without the field. 401 where it is anything else.
std::optional<McpRefusal> read_bearer(const transport::HttpHeaders& headers, std::string& secret);

// Whether Accept lets an answer be of the type; all are taken without that field.
bool accepts(const transport::HttpHeaders& headers, std::string_view type);

// Whether the message belongs to the era without handshake: it says so itself, or its head does.
bool is_stateless(const transport::HttpHeaders& headers, const Json& message);

// Of the stateless era: MCP-Protocol-Version, Mcp-Method and Mcp-Name are what the body says (-32020).
std::optional<McpRefusal> check_stateless(const transport::HttpHeaders& headers, const Json& message);

// Of a handshake: MCP-Protocol-Version, where it is given, is the version that was agreed; `agreed` is empty before.
std::optional<McpRefusal> check_version(const transport::HttpHeaders& headers, std::string_view agreed);

}  // namespace countersign::command
