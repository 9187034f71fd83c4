// One client of the Model Context Protocol, as the broker speaks to it: both eras, the handshake (2024-11-05 to
// 2025-11-25) and the stateless one (2026-07-28). Tools are all it offers: resources, prompts, sampling and what else a
// server could reach through it are methods that do not exist here.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "common/json.h"
#include "common/result.h"

namespace countersign::broker {

class McpSession {
 public:
  // POST of `body` to the broker's path.
  using Ask = std::function<Result<Json>(const std::string& target, const Json& body)>;
  // Called while a call waits for people, with the client's progress token; false where it shall wait no longer.
  using Wait = std::function<bool(const std::optional<Json>& progress_token)>;

  McpSession(Ask ask, Wait wait) : ask_(std::move(ask)), wait_(std::move(wait)) {}

  // The answer to one message of the client, whole; nothing for notifications. A message that is no JSON-RPC 2.0 is
  // answered with its error (batches too, and members that are named twice).
  std::optional<Json> answer(std::string_view message);

 private:
  using Reply = Result<Json>;  // a result, or an Error whose reason is the JSON-RPC code
  Reply dispatch(const std::string& method, const Json& params);
  Reply initialize(const Json& params);
  Reply discover() const;
  Reply list_tools();
  Reply call_tool(const Json& params);
  Status check_era(const std::string& method, const Json& params) const;
  Status learn_tools();

  Ask ask_;
  Wait wait_;
  bool greeted_ = false;                      // initialize was answered
  bool stateless_ = false;                    // of the request that is answered now
  std::map<std::string, std::string> names_;  // the client's name of a tool → its id
  Json::Array listed_;
};

// The name under which a client sees a tool: clients take letters, digits, '_' and '-' only, so "fs:write" is
// "fs__write". Two tools of one name get a digit each.
std::string client_name(std::string_view tool_id);

}  // namespace countersign::broker
