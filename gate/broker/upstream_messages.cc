#include "gate/broker/upstream_messages.h"

#include <algorithm>
#include <iterator>

#include "gate/broker/mcp_session.h"

namespace countersign::broker {
namespace {

constexpr std::size_t kMostTools = 4096;

}  // namespace

Error server_unavailable(const std::string& name, const std::string& what) {
  return Error{ErrorCode::Unavailable, "the server " + name + " " + what, "server_unavailable",
               "see the broker's journal; the call was not made"};
}

Error outcome_unknown(const std::string& name, const std::string& what) {
  return Error{ErrorCode::Unavailable, "the server " + name + " " + what + " after the call was sent",
               "outcome_unknown", "it may have been done: look before asking again"};
}

Json hello() {
  return Json::object(
      {{"protocolVersion", *std::rbegin(kHandshakeVersions)},
       {"capabilities", Json::Object{}},
       {"clientInfo", Json::object({{"name", "countersign-broker"}, {"version", COUNTERSIGN_VERSION}})}});
}

Result<std::string> agreed_version(const Json& answer) {
  const std::string version(answer.text("protocolVersion"));
  if (std::ranges::find(kHandshakeVersions, version) != std::end(kHandshakeVersions)) return version;
  return Error{ErrorCode::Invalid, "speaks the protocol \"" + version + "\", which is not known here"};
}

Json answer_to_server(const Json& asked) {
  if (asked.text("method") != "ping") return rpc_error(*asked.find("id"), kMethodNotFound, "not offered to servers");
  return Json::object({{"jsonrpc", "2.0"}, {"id", *asked.find("id")}, {"result", Json::Object{}}});
}

Result<Json> result_in(const Json& answer) {
  if (const Json* error = answer.find("error")) {
    return Error{ErrorCode::Refused, std::string(error->text("message")), "server_error"};
  }
  const Json* result = answer.find("result");
  if (result == nullptr || !result->is_object()) return Error{ErrorCode::Invalid, "its answer has no result"};
  return *result;
}

Json tool_failure(const std::string& text) {
  return Json::object({{"content", Json::Array{Json::object({{"type", "text"}, {"text", text}})}}, {"isError", true}});
}

Result<std::vector<Json>> listed_tools(const Request& request) {
  std::vector<Json> found;
  std::string cursor;
  do {
    Json params = Json::object({});
    if (!cursor.empty()) params.set("cursor", cursor);
    ASSIGN_OR_RETURN(const Json page, request("tools/list", std::move(params)));
    const Json* tools = page.find("tools");
    if (tools == nullptr || !tools->is_array()) return Error{ErrorCode::Invalid, "its list of tools is none"};
    for (const Json& tool : tools->as_array()) {
      if (tool.text("name").empty()) return Error{ErrorCode::Invalid, "it offers a tool without a name"};
      found.push_back(tool);
    }
    if (found.size() > kMostTools) return Error{ErrorCode::TooLarge, "it offers too many tools"};
    cursor = page.text("nextCursor");
  } while (!cursor.empty());
  return found;
}

}  // namespace countersign::broker
