// One client of the Model Context Protocol, as the broker speaks to it: both eras, the handshake (2024-11-05 to
// 2025-11-25) and the stateless one (2026-07-28). It offers tools, resources and prompts, each asked of the broker like
// a tool; sampling and what else a server could reach through it are methods that do not exist here.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "common/json.h"
#include "common/result.h"
#include "gate/broker/offer.h"

namespace countersign::broker {

// The versions of the handshake, the newest last, and the stateless one.
inline constexpr std::string_view kHandshakeVersions[] = {"2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"};
inline constexpr std::string_view kStatelessVersion = "2026-07-28";
// The version that a message says of itself in params._meta; null where it does not, and it belongs to a handshake.
const Json* stateless_version(const Json& message);

// Codes of JSON-RPC 2.0 §5.1, and MCP's own.
inline constexpr int kParseError = -32700;
inline constexpr int kInvalidRequest = -32600;
inline constexpr int kMethodNotFound = -32601;
inline constexpr int kInvalidParams = -32602;
inline constexpr int kInternal = -32603;
inline constexpr int kResourceNotFound = -32002;  // with the handshake; without it, kInvalidParams
// What the broker decided about a resource or a prompt, which have no result that could say it: `data` is the broker's
// answer (approval_required, denied, …), as structuredContent is of a tool.
inline constexpr int kDecided = -32000;
inline constexpr int kHeaderMismatch = -32020;
inline constexpr int kUnsupportedVersion = -32022;
// {"jsonrpc","id","error":{"code","message"}}, with the versions that are spoken where the code is about them.
Json rpc_error(const Json& id, int code, const std::string& message);
// notifications/progress: the n-th of a call that waits for people.
Json waiting_for_approval(const Json& progress_token, std::int64_t n);
// The request in a reply that says that people have to approve; empty in others.
std::string request_that_waits(const Json& reply);

// Of the broker's answer to /v1/waiting.
bool still_waits(const Json& state);

// What clients call the tools and prompts of one agent. From any thread.
class ToolNames {
 public:
  // By the client's name, the id.
  using Names = std::map<std::string, std::string>;
  std::optional<std::string> id_of(OfferKind kind, const std::string& name) const;
  void learn(std::map<OfferKind, Names> names);

 private:
  mutable std::mutex mutex_;
  std::map<OfferKind, Names> names_;  // guarded by mutex_
};

class McpSession {
 public:
  // POST of `body` to the broker's path.
  using Ask = std::function<Result<Json>(const std::string& target, const Json& body)>;
  // Called while a call waits for people, each time before the broker is asked whether it still does, with the client's
  // progress token; false where it shall wait no longer.
  using Wait = std::function<bool(const std::optional<Json>& progress_token)>;

  McpSession(Ask ask, Wait wait) : McpSession(std::move(ask), std::move(wait), std::make_shared<ToolNames>(), false) {}
  // Of a client that is known already: `greeted` where its initialize was answered.
  McpSession(Ask ask, Wait wait, std::shared_ptr<ToolNames> names, bool greeted)
      : ask_(std::move(ask)), wait_(std::move(wait)), names_(std::move(names)), greeted_(greeted) {}

  // The answer to one message of the client, whole; nothing for notifications. A message that is no JSON-RPC 2.0 is
  // answered with its error (batches too, and members that are named twice).
  std::optional<Json> answer(std::string_view message);
  std::optional<Json> answer_to(const Json& message);  // one that was read

 private:
  using Reply = Result<Json>;  // a result, or an Error whose reason is the JSON-RPC code, with data_ beside it
  // What the broker answered: a result, or what it decided instead and a sentence of it.
  struct Outcome {
    std::optional<Json> result;
    Json decided;
    std::string sentence;
  };
  Reply dispatch(const std::string& method, const Json& params);
  Reply initialize(const Json& params);
  Reply discover() const;
  Reply list(OfferKind kind);
  Reply call_tool(const Json& params);
  Reply read_resource(const Json& params);
  Reply get_prompt(const Json& params);
  Reply passed_on(Outcome outcome, const std::string& id);
  Result<Outcome> ask_for(const std::string& id, const Json& args, const Json& params);
  Status check_era(const std::string& method, const Json& params) const;
  Result<Json> learn_offers();
  Result<std::optional<std::string>> id_of(OfferKind kind, const std::string& name);
  bool wait_for_people(const std::string& request, const std::optional<Json>& progress_token);

  Ask ask_;
  Wait wait_;
  std::shared_ptr<ToolNames> names_;
  bool greeted_;            // initialize was answered
  bool stateless_ = false;  // of the request that is answered now
  Json data_;               // of the error that it is answered with; null for none
};

// The name under which a client sees a tool: clients take letters, digits, '_' and '-' only, so "fs:write" is
// "fs__write", and the prompt "fs:prompts/sum" is "fs__sum". Two of one name get a digit each.
std::string client_name(std::string_view id);

// The URI under which a client sees a resource, or a template of such: "countersign:SERVER/" before the server's own,
// so that those of two servers are never one.
std::string client_uri(std::string_view server, std::string_view uri);
struct ServerUri {
  std::string server;
  std::string uri;
};
std::optional<ServerUri> server_uri(std::string_view client_uri);

}  // namespace countersign::broker
