#include "gate/broker/mcp_session.h"

#include <algorithm>
#include <charconv>

namespace countersign::broker {
namespace {

constexpr std::string_view kMetaVersion = "io.modelcontextprotocol/protocolVersion";
constexpr std::string_view kMetaCapabilities = "io.modelcontextprotocol/clientCapabilities";
constexpr std::string_view kDecision = "countersign/decision";
constexpr std::size_t kLongestMessage = std::size_t{1} << 20;
constexpr std::int64_t kListLives = 60'000;  // milliseconds

Error fault(int code, std::string detail) {
  return Error{ErrorCode::Invalid, std::move(detail), std::to_string(code)};
}

int code_of(const Error& error) {
  int code = kInternal;
  std::from_chars(error.reason.data(), error.reason.data() + error.reason.size(), code);
  return code;
}

Json error_reply(const Json& id, const Error& error) {
  return rpc_error(id, code_of(error), error.detail);
}

// What was decided, as a model can read it and a program as well.
Json told(std::string text, Json structured) {
  const Json decision =
      Json::object({{"error", structured.text("error")}, {"request_id", structured.text("request_id")}});
  return Json::object({{"content", Json::Array{Json::object({{"type", "text"}, {"text", std::move(text)}})}},
                       {"structuredContent", std::move(structured)},
                       {"isError", true},
                       {"_meta", Json::object({{std::string(kDecision), decision}})}});
}

std::string sentence(const Json& answer) {
  const std::string error(answer.text("error"));
  const std::string tool(answer.text("tool_id"));
  if (error == "approval_required") {
    return "Approval required: a person has to approve this call (request " + std::string(answer.text("request_id")) +
           "). Call again with the same arguments once it is approved.";
  }
  if (error == "rejected") {
    return "Rejected by a person: " + std::string(answer.text("reason")) + ". Do not repeat this call.";
  }
  if (error == "outcome_unknown") {
    return "The tool did not answer. It may have done its work: look before you call again.";
  }
  const std::string rule(answer.text("rule"));
  return "Not allowed: " + tool + " (" + error + (rule.empty() ? "" : ", " + rule) + ").";
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

std::optional<std::string> ToolNames::id_of(const std::string& name) const {
  const std::lock_guard lock(mutex_);
  const auto found = names_.find(name);
  return found == names_.end() ? std::nullopt : std::optional(found->second);
}

void ToolNames::learn(Names names) {
  const std::lock_guard lock(mutex_);
  names_ = std::move(names);
}

std::string client_name(std::string_view tool_id) {
  std::string name;
  for (const char c : tool_id) {
    const bool plain =
        (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
    if (c == ':') {
      name += "__";
    } else {
      name += plain ? c : '_';
    }
  }
  return name.substr(0, 64);
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
  Reply result = dispatch(method, params == nullptr ? kNone : *params);
  if (!result) return error_reply(*id, result.error());
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
  if (method == "tools/list") return list_tools();
  if (method == "tools/call") return call_tool(params);
  return fault(kMethodNotFound, "the broker offers tools alone, no " + method.substr(0, 100));
}

McpSession::Reply McpSession::initialize(const Json& params) {
  const std::string wanted(params.text("protocolVersion"));
  if (wanted.empty()) return fault(kInvalidParams, "protocolVersion is missing");
  const bool known = std::ranges::find(kHandshakeVersions, wanted) != std::end(kHandshakeVersions);
  greeted_ = true;
  return Json::object(
      {{"protocolVersion", known ? wanted : std::string(kHandshakeVersions[std::size(kHandshakeVersions) - 1])},
       {"capabilities", Json::object({{"tools", Json::object({{"listChanged", false}})}})},
       {"serverInfo", Json::object({{"name", "countersign-broker"}, {"version", COUNTERSIGN_VERSION}})},
       {"instructions",
        "Calls that are not allowed yet answer approval_required: a person decides. Call again with the same arguments "
        "after that."}});
}

McpSession::Reply McpSession::discover() const {
  Json::Array versions;
  versions.emplace_back(kStatelessVersion);
  return Json::object({{"supportedVersions", std::move(versions)},
                       {"capabilities", Json::object({{"tools", Json::Object{}}})},
                       {"serverInfo", Json::object({{"name", "countersign-broker"}, {"version", COUNTERSIGN_VERSION}})},
                       {"ttlMs", kListLives},
                       {"cacheScope", "private"}});
}

Result<Json::Array> McpSession::learn_tools() {
  Result<Json> answer = ask_("/v1/tools", Json::object({}));
  if (!answer) return fault(kInternal, "the broker does not answer: " + answer.error().detail);
  const Json* rows = answer->find("tools");
  if (rows == nullptr || !rows->is_array()) return fault(kInternal, "the broker's list of tools is none");
  ToolNames::Names names;
  Json::Array listed;
  for (const Json& row : rows->as_array()) {
    const Json* definition = row.find("definition");
    if (definition == nullptr) continue;
    const std::string base = client_name(row.text("tool_id"));
    std::string name = base;
    for (int more = 2; names.contains(name); ++more) name = base.substr(0, 60) + "_" + std::to_string(more);
    names.emplace(name, row.text("tool_id"));
    Json shown = *definition;
    shown.set("name", name);
    shown.erase("_meta");
    // Clients refuse structured answers that are not of it, and the broker's own are not, nor are masked ones.
    shown.erase("outputSchema");
    listed.push_back(std::move(shown));
  }
  names_->learn(std::move(names));
  return listed;
}

McpSession::Reply McpSession::list_tools() {
  ASSIGN_OR_RETURN(Json::Array listed, learn_tools());
  Json result = Json::object({{"tools", std::move(listed)}});
  if (stateless_) {
    result.set("ttlMs", kListLives);
    result.set("cacheScope", "private");
  }
  return result;
}

// True once the call is worth making again.
bool McpSession::wait_for_people(const std::string& request, const std::optional<Json>& progress_token) {
  while (wait_(progress_token)) {
    const Result<Json> state = ask_("/v1/waiting", Json::object({{"request_id", request}}));
    // A broker that is being started again is waited for as well.
    if (state ? !still_waits(*state) : state.error().code != ErrorCode::Unavailable) return true;
  }
  return false;
}

McpSession::Reply McpSession::call_tool(const Json& params) {
  const std::string name(params.text("name"));
  if (name.empty()) return fault(kInvalidParams, "name is missing");
  const Json* arguments = params.find("arguments");
  if (arguments != nullptr && !arguments->is_object()) return fault(kInvalidParams, "arguments is no object");
  std::optional<std::string> tool = names_->id_of(name);
  if (!tool) {
    RETURN_IF_ERROR(learn_tools());
    tool = names_->id_of(name);
  }
  if (!tool) {
    return told("There is no tool " + name + " here.", Json::object({{"error", "tool_not_found"}, {"tool_id", name}}));
  }
  const Json body =
      Json::object({{"tool_id", *tool}, {"args", arguments == nullptr ? Json(Json::Object{}) : *arguments}});
  const Json* meta = params.find("_meta");
  const Json* token = meta == nullptr ? nullptr : meta->find("progressToken");
  const std::optional<Json> progress = token == nullptr ? std::nullopt : std::optional(*token);
  for (;;) {
    const Result<Json> answer = ask_("/v1/call", body);
    if (!answer && answer.error().reason == "no_answer") {
      // The broker was asked and ended: the tool may have been reached.
      const Json unknown = Json::object({{"error", "outcome_unknown"}, {"tool_id", *tool}});
      return told(sentence(unknown), unknown);
    }
    if (!answer) {
      return told(answer.error().detail + (answer.error().hint.empty() ? "" : " (" + answer.error().hint + ")"),
                  Json::object({{"error", answer.error().wire_code()}, {"tool_id", *tool}}));
    }
    if (answer->text("error") == "approval_required" &&
        wait_for_people(std::string(answer->text("request_id")), progress)) {
      continue;
    }
    if (answer->find("error") != nullptr) return told(sentence(*answer), *answer);
    const Json* result = answer->find("result");
    if (result == nullptr || !result->is_object()) return fault(kInternal, "the broker's answer has no result");
    Json out = *result;
    out.set("_meta", Json::object({{std::string(kDecision),
                                    Json::object({{"verdict", "allow"}, {"trace_id", answer->text("trace_id")}})}}));
    return out;
  }
}

}  // namespace countersign::broker
