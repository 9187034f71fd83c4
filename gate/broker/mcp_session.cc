#include "gate/broker/mcp_session.h"

#include <algorithm>
#include <charconv>

#include "gate/broker/mcp_faults.h"

namespace countersign::broker {
namespace {

constexpr std::string_view kMetaVersion = "io.modelcontextprotocol/protocolVersion";
constexpr std::string_view kMetaCapabilities = "io.modelcontextprotocol/clientCapabilities";
constexpr std::size_t kLongestMessage = std::size_t{1} << 20;

int code_of(const Error& error) {
  int code = kInternal;
  std::from_chars(error.reason.data(), error.reason.data() + error.reason.size(), code);
  return code;
}

Json error_reply(const Json& id, const Error& error, const Json& data = Json()) {
  Json reply = rpc_error(id, code_of(error), error.detail);
  if (!data.is_null()) reply.find("error")->set("data", data);
  return reply;
}

}  // namespace

const Json* stateless_version(const Json& message) {
  const Json* params = message.find("params");
  const Json* meta = params == nullptr ? nullptr : params->find("_meta");
  return meta == nullptr ? nullptr : meta->find(kMetaVersion);
}

Json rpc_error(const Json& id, int code, const std::string& message) {
  Json body = Json::object({{"code", code}, {"message", message}});
  if (code == kUnsupportedVersion) {
    Json::Array supported;
    supported.emplace_back(kStatelessVersion);
    body.set("data", Json::object({{"supported", std::move(supported)}}));
  }
  return Json::object({{"jsonrpc", "2.0"}, {"id", id}, {"error", std::move(body)}});
}

bool still_waits(const Json& state) {
  const Json* waiting = state.find("waiting");
  return waiting != nullptr && *waiting == Json(true);
}

Json waiting_for_approval(const Json& progress_token, std::int64_t n) {
  return Json::object(
      {{"jsonrpc", "2.0"},
       {"method", "notifications/progress"},
       {"params",
        Json::object({{"progressToken", progress_token}, {"progress", n}, {"message", "waiting for approval"}})}});
}

std::string request_that_waits(const Json& reply) {
  for (const auto& [member, inner] : {std::pair("result", "structuredContent"), std::pair("error", "data")}) {
    const Json* outer = reply.find(member);
    const Json* said = outer == nullptr ? nullptr : outer->find(inner);
    if (said != nullptr && said->text("error") == "approval_required") return std::string(said->text("request_id"));
  }
  return {};
}

std::optional<Json> McpSession::answer(std::string_view message) {
  const Result<Json> read = Json::parse(message, {.bytes = kLongestMessage});
  if (!read) return error_reply(Json(), fault(kParseError, read.error().detail));
  return answer_to(*read);
}

std::optional<Json> McpSession::answer_to(const Json& message) {
  if (!message.is_object()) return error_reply(Json(), fault(kInvalidRequest, "one request at a time, no batches"));
  const Json* id = message.find("id");
  const bool id_is_good = id == nullptr || id->is_string() || id->is_integer();
  const std::string method(message.text("method"));
  if (message.text("jsonrpc") != "2.0" || !id_is_good) {
    return error_reply(Json(), fault(kInvalidRequest, "this is no request of JSON-RPC 2.0"));
  }
  if (method.empty()) {
    // Answers to requests that were never made.
    return id == nullptr ? std::nullopt : std::optional(error_reply(*id, fault(kInvalidRequest, "method is missing")));
  }
  if (id == nullptr) return std::nullopt;  // a notification; none changes what is done here
  static const Json kNone{Json::Object{}};
  const Json* params = message.find("params");
  if (params != nullptr && !params->is_object()) return error_reply(*id, fault(kInvalidParams, "params is no object"));
  data_ = Json();
  Reply result = dispatch(method, params == nullptr ? kNone : *params);
  if (!result) return error_reply(*id, result.error(), data_);
  if (stateless_) result->set("resultType", "complete");
  return Json::object({{"jsonrpc", "2.0"}, {"id", *id}, {"result", *std::move(result)}});
}

// A request without handshake says of itself what it speaks.
Status McpSession::check_era(const std::string& method, const Json& params) const {
  if (!stateless_) {
    if (greeted_ || method == "initialize" || method == "ping") return ok();
    return fault(kInvalidRequest, "initialize comes first, or _meta names the protocol version");
  }
  const Json& meta = *params.find("_meta");
  if (meta.text(kMetaVersion) != kStatelessVersion) {
    return fault(kUnsupportedVersion,
                 "protocol version " + std::string(meta.text(kMetaVersion)) + " is not spoken here");
  }
  const Json* capabilities = meta.find(kMetaCapabilities);
  if (capabilities != nullptr && capabilities->is_object()) return ok();
  return fault(kInvalidParams, "_meta has no " + std::string(kMetaCapabilities));
}

McpSession::Reply McpSession::dispatch(const std::string& method, const Json& params) {
  const Json* meta = params.find("_meta");
  stateless_ = meta != nullptr && meta->find(kMetaVersion) != nullptr;
  RETURN_IF_ERROR(check_era(method, params));
  if (!stateless_ && method == "initialize") return initialize(params);
  if (!stateless_ && method == "ping") return Json(Json::Object{});
  if (stateless_ && method == "server/discover") return discover();
  for (const OfferRow& row : offer_rows()) {
    if (method == row.list) return list(row.kind);
  }
  if (method == "tools/call") return call_tool(params);
  if (method == "resources/read") return read_resource(params);
  if (method == "prompts/get") return get_prompt(params);
  return fault(kMethodNotFound, "the broker offers tools, resources and prompts, no " + method.substr(0, 100));
}

McpSession::Reply McpSession::initialize(const Json& params) {
  const std::string wanted(params.text("protocolVersion"));
  if (wanted.empty()) return fault(kInvalidParams, "protocolVersion is missing");
  const bool known = std::ranges::find(kHandshakeVersions, wanted) != std::end(kHandshakeVersions);
  greeted_ = true;
  return Json::object(
      {{"protocolVersion", known ? wanted : std::string(kHandshakeVersions[std::size(kHandshakeVersions) - 1])},
       {"capabilities", Json::object({{"tools", Json::object({{"listChanged", false}})},
                                      {"resources", Json::object({{"subscribe", false}, {"listChanged", false}})},
                                      {"prompts", Json::object({{"listChanged", false}})}})},
       {"serverInfo", Json::object({{"name", "countersign-broker"}, {"version", COUNTERSIGN_VERSION}})},
       {"instructions",
        "Calls that are not allowed yet answer approval_required: a person decides. Call again with the same arguments "
        "after that."}});
}

McpSession::Reply McpSession::discover() const {
  Json::Array versions;
  versions.emplace_back(kStatelessVersion);
  return Json::object(
      {{"supportedVersions", std::move(versions)},
       {"capabilities",
        Json::object({{"tools", Json::Object{}}, {"resources", Json::Object{}}, {"prompts", Json::Object{}}})},
       {"serverInfo", Json::object({{"name", "countersign-broker"}, {"version", COUNTERSIGN_VERSION}})},
       {"ttlMs", kListLives},
       {"cacheScope", "private"}});
}

}  // namespace countersign::broker
