#include "gate/broker/http_upstream.h"

#include <algorithm>
#include <atomic>

#include "common/secret_source.h"
#include "common/text.h"
#include "gate/broker/mcp_session.h"
#include "gate/broker/parameter_headers.h"
#include "gate/broker/upstream_messages.h"

namespace countersign::broker {
namespace {

using std::chrono::steady_clock;

constexpr std::chrono::seconds kTellTime{5};

std::chrono::milliseconds left(steady_clock::time_point until) {
  return std::chrono::ceil<std::chrono::milliseconds>(until - steady_clock::now());
}

bool is_visible(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return c > ' ' && c <= '~'; });
}

// A status by which a server says that it did not take a request: nothing was done.
bool says_no(long status) {
  return status >= 400 && status < 500 && status != 408;
}

// What the tool's definition wants in the head of a call.
Result<std::vector<std::string>> marked_arguments(const std::vector<Offer>& offers, const Json& params) {
  const auto tool = std::ranges::find_if(offers, [&](const Offer& each) {
    return each.kind == OfferKind::Tool && each.definition.text("name") == params.text("name");
  });
  const Json* schema = tool == offers.end() ? nullptr : tool->definition.find("inputSchema");
  const Json* arguments = params.find("arguments");
  if (schema == nullptr || arguments == nullptr) return std::vector<std::string>();
  return parameter_headers(*schema, *arguments);
}

Json meta_of(const std::string& version) {
  return Json::object({{"io.modelcontextprotocol/protocolVersion", version},
                       {"io.modelcontextprotocol/clientCapabilities", Json::Object{}},
                       {"io.modelcontextprotocol/clientInfo",
                        Json::object({{"name", "countersign-broker"}, {"version", COUNTERSIGN_VERSION}})}});
}

}  // namespace

Result<std::vector<std::string>> HttpUpstream::headers(const Agreed& agreed, const std::string& method,
                                                       const Json& params) const {
  std::vector<std::string> out = {"Content-Type: application/json", "Accept: application/json, text/event-stream",
                                  "Expect:"};
  if (!agreed.session.empty()) out.push_back("Mcp-Session-Id: " + agreed.session);
  if (!agreed.version.empty()) out.push_back("MCP-Protocol-Version: " + agreed.version);
  if (agreed.stateless) {
    out.push_back("Mcp-Method: " + method);
    const std::string_view named = named_by(method);
    if (!named.empty()) out.push_back("Mcp-Name: " + field_value(std::string(params.text(named))));
  }
  if (config_.token.empty()) return out;
  const Result<SecretBytes> secret = secret_from("file:" + config_.token, "");
  if (!secret) return Error{secret.error().code, secret.error().detail, "not_sent"};
  const std::string token(trimmed(text_of(secret->reveal())));
  if (token.empty() || !is_visible(token)) {
    return Error{ErrorCode::Invalid, config_.token + " holds no token that a head can carry", "not_sent"};
  }
  out.push_back("Authorization: Bearer " + token);
  return out;
}

// Answers to what it asked, and notifications: whether they arrive is noticed by what is waited for.
void HttpUpstream::tell(const Agreed& agreed, const Json& message, Deadline until) const {
  const Result<std::vector<std::string>> head = headers(agreed, "", Json());
  if (!head) return;
  HttpPost http(config_.url, config_.ca);
  (void)http.post(*head, message.compact(), std::min<std::chrono::milliseconds>(left(until), kTellTime),
                  [](const std::string&) { return true; });
}

Result<Json> HttpUpstream::request(HttpPost& http, const Agreed& agreed, const std::string& method, Json params,
                                   Deadline until, std::string* session, const std::vector<std::string>& more) {
  static std::atomic<std::int64_t> last_id = 0;
  const Json id = ++last_id;
  if (agreed.stateless) params.set("_meta", meta_of(agreed.version));
  ASSIGN_OR_RETURN(std::vector<std::string> head, headers(agreed, method, params));
  head.insert(head.end(), more.begin(), more.end());
  const Json body = Json::object({{"jsonrpc", "2.0"}, {"id", id}, {"method", method}, {"params", std::move(params)}});
  std::optional<Json> reply;
  const auto hear = [&](const std::string& data) {
    Result<Json> message = Json::parse(data, {.bytes = kLongestServerMessage});
    if (!message || !message->is_object()) return false;
    const Json* its_id = message->find("id");
    if (message->find("method") != nullptr) {
      if (its_id != nullptr && !agreed.stateless) tell(agreed, answer_to_server(*message), until);
      return false;
    }
    if (its_id == nullptr || *its_id != id) return false;
    reply = *std::move(message);
    return true;
  };
  ASSIGN_OR_RETURN(const HttpPost::Answer answer, http.post(head, body.compact(), left(until), hear));
  if (session != nullptr) *session = answer.session;
  if (!answer.events && !answer.body.empty()) {
    const Result<Json> whole = Json::parse(answer.body, {.bytes = kLongestServerMessage});
    // A server that refuses before it reads an id answers with null.
    const Json* its_id = whole ? whole->find("id") : nullptr;
    const bool ours = its_id != nullptr && (*its_id == id || (its_id->is_null() && answer.status != 200));
    if (ours && whole->text("jsonrpc") == "2.0") reply = *whole;
  }
  if (reply && (answer.status == 200 || reply->find("error") != nullptr)) return result_in(*reply);
  const std::string status = "answered with the status " + std::to_string(answer.status);
  if (says_no(answer.status)) return Error{ErrorCode::Refused, status, "server_refused"};
  return Error{ErrorCode::Invalid, answer.status == 200 ? "gave no answer to what it was asked" : status, "no_answer"};
}

// The handshake; a server that has none speaks without.
Status HttpUpstream::agree() {
  if (agreed_) return ok();
  const Deadline until = steady_clock::now() + kHandshakeTime;
  Agreed agreed;
  const Result<Json> answer = request(lists_, agreed, "initialize", hello(), until, &agreed.session);
  if (!answer) {
    const std::string& reason = answer.error().reason;
    if (reason == "server_error" || reason == "server_refused") return agree_without_handshake();
    return answer.error();
  }
  ASSIGN_OR_RETURN(agreed.version, agreed_version(*answer));
  if (const Json* capabilities = answer->find("capabilities")) agreed.capabilities = *capabilities;
  if (!is_visible(agreed.session)) return Error{ErrorCode::Invalid, "gives a session no name that a head can carry"};
  tell(agreed, Json::object({{"jsonrpc", "2.0"}, {"method", "notifications/initialized"}}), until);
  agreed_ = std::move(agreed);
  return ok();
}

Status HttpUpstream::agree_without_handshake() {
  Agreed agreed{std::string(kStatelessVersion), "", true, Json()};
  const Deadline until = steady_clock::now() + kHandshakeTime;
  ASSIGN_OR_RETURN(const Json answer, request(lists_, agreed, "server/discover", Json::object({}), until, nullptr));
  const Json* versions = answer.find("supportedVersions");
  const bool spoken = versions != nullptr && versions->is_array() &&
                      std::ranges::find(versions->as_array(), Json(kStatelessVersion)) != versions->as_array().end();
  if (!spoken) return Error{ErrorCode::Invalid, "speaks no version of the protocol that is known here"};
  if (const Json* capabilities = answer.find("capabilities")) agreed.capabilities = *capabilities;
  agreed_ = std::move(agreed);
  return ok();
}

Result<std::vector<Offer>> HttpUpstream::list() {
  RETURN_IF_ERROR(agree());
  const Deadline until = steady_clock::now() + kHandshakeTime;
  return listed_offers(agreed_->capabilities, [&](const std::string& method, Json params) {
    return request(lists_, *agreed_, method, std::move(params), until, nullptr);
  });
}

Result<Upstream::Offers> HttpUpstream::offers() {
  RETURN_IF_ERROR(admitted_());
  const std::uint64_t before = lists_begun_;
  const std::lock_guard lock(mutex_);
  if (lists_begun_ > before && offers_) return offers_;
  ++lists_begun_;
  const bool had_session = agreed_.has_value();
  Result<std::vector<Offer>> found = list();
  if (!found && had_session && found.error().reason == "server_refused") {  // it ended the session
    agreed_.reset();
    found = list();
  }
  if (!found) {
    agreed_.reset();
    offers_.reset();
    return server_unavailable(name_, "does not list what it offers: " + found.error().detail);
  }
  if (!offers_ || *offers_ != *found) offers_ = std::make_shared<const std::vector<Offer>>(*std::move(found));
  return offers_;
}

Result<Json> HttpUpstream::call(OfferKind kind, const Json& params, std::chrono::nanoseconds within) {
  const CallSlots::Slot slot = slots_.take();
  RETURN_IF_ERROR(admitted_());
  std::optional<Agreed> agreed;
  Offers listed;
  {
    const std::lock_guard lock(mutex_);
    agreed = agreed_;
    listed = offers_;
  }
  if (!agreed) return server_unavailable(name_, "is not as it was when the call was judged");
  std::vector<std::string> marked;
  if (agreed->stateless && listed && kind == OfferKind::Tool) {
    Result<std::vector<std::string>> fields = marked_arguments(*listed, params);
    if (!fields) return server_unavailable(name_, "cannot be called: " + fields.error().detail);
    marked = *std::move(fields);
  }
  HttpPost http(config_.url, config_.ca);  // a new connection: see HttpPost::post
  Result<Json> result =
      request(http, *agreed, std::string(row_of(kind).call), params, steady_clock::now() + within, nullptr, marked);
  if (result) {
    const std::string type(result->text("resultType"));
    result->erase("resultType");
    if (type.empty() || type == "complete") return result;
    return tool_failure("The server wants more before it acts (" + type.substr(0, 64) +
                        "), which is not offered here.");
  }
  const Error& error = result.error();
  if (error.reason == "server_error") return tool_failure(error.detail);
  const bool undone = error.reason == "not_sent" || error.reason == "server_refused";
  return undone ? server_unavailable(name_, "did not take the call: " + error.detail)
                : outcome_unknown(name_, "failed (" + error.detail + ")");
}

void HttpUpstream::stop() {
  const std::lock_guard lock(mutex_);
  agreed_.reset();
  offers_.reset();
}

}  // namespace countersign::broker
