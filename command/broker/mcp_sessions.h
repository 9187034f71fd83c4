// Sessions of MCP over HTTP: each belongs to the caller who opened it, and is unknown to everybody else.
#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "gate/broker/mcp_session.h"

namespace countersign::command {

struct McpHttpSession {
  std::string caller;   // whom the socket saw: user and digest of the secret
  std::string agent;    // whom the broker made of that
  std::string version;  // of the protocol, agreed upon
  std::shared_ptr<broker::ToolNames> names;
  std::chrono::steady_clock::time_point used;
  // Requests that are kept open while people decide, by the JSON of their id: true once the client cancelled one.
  std::map<std::string, std::shared_ptr<bool>> held;
};

class McpSessions {
 public:
  using Moment = std::chrono::steady_clock::time_point;

  // Gives the session's id, 256 random bits in hex. An agent's longest unused session makes room where it has many.
  std::string open(McpHttpSession session);
  // Null where there is none of this id and caller.
  McpHttpSession* find(std::string_view id, std::string_view caller, Moment now);
  bool end(std::string_view id, std::string_view caller);
  // Ends sessions that nobody used for an hour.
  void sweep(Moment now);

 private:
  std::map<std::string, McpHttpSession, std::less<>> sessions_;
};

}  // namespace countersign::command
