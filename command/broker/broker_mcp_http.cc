#include "command/broker/broker_mcp_http.h"

#include "common/digest.h"

namespace countersign::command {
namespace {

using transport::HttpRequest;
using transport::HttpResponse;
using transport::Method;
using SteadyClock = std::chrono::steady_clock;

constexpr std::string_view kPath = "/mcp";
constexpr std::string_view kEvents = "text/event-stream";
constexpr std::size_t kWorkers = 16;
constexpr std::size_t kMostWaiting = 512;
constexpr std::size_t kMostOfOneCaller = 32;  // requests under way
constexpr double kRequestsPerSecond = 1000;
constexpr double kBurst = 2000;
constexpr int kInFlight = 512;
constexpr std::chrono::seconds kAskAgain{1};

transport::HttpLimits http_limits() {
  transport::HttpLimits limits;
  limits.connections = 512;
  limits.keep_headers = true;
  return limits;
}

McpRefusal busy(const std::string& detail) {
  return {429, broker::kInternal, detail};
}

// What the broker refused before any tool was asked for.
McpRefusal refusal_of(const Error& error) {
  const bool unknown = error.code == ErrorCode::Refused;
  const int status = unknown ? 401 : error.code == ErrorCode::OverLimit ? 429 : 503;
  return {status, unknown ? broker::kInvalidRequest : broker::kInternal, error.detail};
}

// Of a whole answer of JSON-RPC. The era without handshake gives its errors a status of HTTP.
int status_of(const Json& reply, bool stateless) {
  const Json* error = reply.find("error");
  if (error == nullptr) return 200;
  const Json* code = error->find("code");
  const std::int64_t number = code != nullptr && code->is_integer() ? code->as_integer() : 0;
  if (number == broker::kParseError || number == broker::kInvalidRequest) return 400;
  if (!stateless || number == broker::kInternal || number == broker::kDecided) return 200;
  return number == broker::kMethodNotFound ? 404 : 400;
}

const Json* progress_token(const Json& message) {
  const Json* params = message.find("params");
  const Json* meta = params == nullptr ? nullptr : params->find("_meta");
  return meta == nullptr ? nullptr : meta->find("progressToken");
}

std::string event_of(const Json& message) {
  return "event: message\ndata: " + message.compact() + "\n\n";
}

}  // namespace

// A request that is not yet answered.
struct McpHttp::Exchange {
  transport::Responder responder;
  std::uint32_t uid = 0;
  std::string caller;      // whom the socket saw
  Json identity;           // as the broker is told: peer_uid, agent_secret, agent_id
  Json message;            // of JSON-RPC
  bool stateless = false;  // of the era without handshake
  bool opens = false;      // initialize
  bool takes_events = false;
  std::string session;  // its id, where it is in one
  std::shared_ptr<broker::ToolNames> names;
  bool under_way = false;  // counted
  SteadyClock::time_point wait_until;
  std::shared_ptr<bool> cancelled;  // while it waits
  std::int64_t told = 0;            // how often the client was told that it waits
  Json reply;                       // the latest
};

// What a worker brings: a refusal, a reply, or nothing new.
struct McpHttp::Said {
  std::optional<McpRefusal> refusal;
  std::optional<Json> reply;
  std::string agent;
  std::shared_ptr<broker::ToolNames> names;
};

McpHttp::McpHttp(transport::EventLoop& loop, McpHttpOptions options)
    : loop_(loop),
      options_(std::move(options)),
      limiter_(kRequestsPerSecond, kBurst, kInFlight),
      server_(loop, http_limits()),
      workers_(kWorkers, kMostWaiting, [socket = options_.broker] { return BrokerConnection(socket); }) {}

Status McpHttp::serve(transport::Listener listener) {
  return server_.serve(std::move(listener), [this](const HttpRequest& request, transport::Responder responder) {
    handle(request, std::move(responder));
  });
}

void McpHttp::stop_accepting() {
  stopping_ = true;
  server_.stop_accepting();
}

void McpHttp::sweep() {
  limiter_.sweep(SteadyClock::now());
  sessions_.sweep(SteadyClock::now());
}

// Once for each exchange, at its end.
void McpHttp::release(Exchange& exchange) {
  limiter_.release(exchange.uid);
  if (exchange.under_way && --under_way_[exchange.caller] == 0) under_way_.erase(exchange.caller);
  exchange.under_way = false;
}

void McpHttp::respond(const Shared& exchange, HttpResponse response) {
  release(*exchange);
  exchange->responder.send(std::move(response));
}

void McpHttp::refuse(const Shared& exchange, const McpRefusal& refusal) {
  const Json* id = exchange->message.find("id");
  const bool told = id != nullptr && (id->is_string() || id->is_integer());
  HttpResponse response =
      HttpResponse::json(broker::rpc_error(told ? *id : Json(), refusal.code, refusal.detail), refusal.status);
  if (refusal.status == 401) response.headers.emplace_back("WWW-Authenticate", "Bearer");
  if (refusal.status == 405) response.headers.emplace_back("Allow", "POST, DELETE");
  if (refusal.status == 429 || refusal.status == 503) response.headers.emplace_back("Retry-After", "1");
  respond(exchange, std::move(response));
}

std::optional<McpRefusal> McpHttp::recognise(const HttpRequest& request, Exchange& exchange) const {
  std::string secret;
  if (auto refused = read_bearer(request.headers, secret)) return refused;
  const bool known = options_.authority.empty();  // by the kernel
  if (!known && secret.empty()) {
    return McpRefusal{401, broker::kInvalidRequest, "an agent's secret is needed: Authorization: Bearer SECRET"};
  }
  const std::string user = known ? std::to_string(request.peer.uid) : "-";
  exchange.caller = user + ":" + (secret.empty() ? "" : sha256(secret).hex());
  exchange.identity = Json::object({{"peer_uid", known ? Json(std::int64_t{request.peer.uid}) : Json()}});
  if (!secret.empty()) exchange.identity.set("agent_secret", secret);
  if (!options_.agent.empty()) exchange.identity.set("agent_id", options_.agent);
  return std::nullopt;
}

void McpHttp::handle(const HttpRequest& request, transport::Responder responder) {
  const Status admitted = limiter_.admit(request.peer.uid, SteadyClock::now());
  if (!admitted) return responder.send(HttpResponse::error(admitted.error()));
  const auto exchange = std::make_shared<Exchange>(Exchange{std::move(responder), request.peer.uid});
  if (const auto refused = check_place(request.headers, options_.authority)) return refuse(exchange, *refused);
  if (request.path != kPath) return refuse(exchange, {404, broker::kInvalidRequest, "the endpoint is /mcp"});
  if (const auto refused = recognise(request, *exchange)) return refuse(exchange, *refused);
  if (request.method == Method::Post) return post(request, exchange);
  if (request.method != Method::Delete) {
    return refuse(exchange, {405, broker::kInvalidRequest, "there is no stream to listen to here: POST alone"});
  }
  const Result<std::string> id = transport::header_value(request.headers, "mcp-session-id");
  if (!id) return refuse(exchange, {400, broker::kInvalidRequest, "Mcp-Session-Id is missing"});
  if (!sessions_.end(*id, exchange->caller)) return refuse(exchange, {404, broker::kInvalidRequest, "no such session"});
  HttpResponse response;
  response.status = 204;
  respond(exchange, std::move(response));
}

void McpHttp::post(const HttpRequest& request, const Shared& exchange) {
  exchange->takes_events = accepts(request.headers, kEvents);
  if (!accepts(request.headers, "application/json")) {
    return refuse(exchange, {406, broker::kInvalidRequest, "Accept must name application/json and text/event-stream"});
  }
  Result<Json> message = Json::parse(request.body, {.bytes = request.body.size()});
  if (!message) return refuse(exchange, {400, broker::kParseError, message.error().detail});
  if (!message->is_object()) {
    return refuse(exchange, {400, broker::kInvalidRequest, "one message at a time, no batches"});
  }
  exchange->message = *std::move(message);
  const Json& read = exchange->message;
  exchange->stateless = is_stateless(request.headers, read);
  exchange->opens = !exchange->stateless && read.text("method") == "initialize";
  const bool expects_answer = read.find("id") != nullptr && read.find("method") != nullptr;
  if (!exchange->stateless) {
    if (const auto refused = place_in_session(request.headers, *exchange)) return refuse(exchange, *refused);
  } else if (expects_answer) {
    if (const auto refused = check_stateless(request.headers, read)) return refuse(exchange, *refused);
  }
  if (!expects_answer) return take_note(exchange);
  if (under_way_[exchange->caller] >= kMostOfOneCaller) {
    return refuse(exchange, busy("more requests of this agent are under way than are taken on"));
  }
  ++under_way_[exchange->caller];
  exchange->under_way = true;
  exchange->wait_until = SteadyClock::now() + options_.hold;
  ask(exchange);
}

std::optional<McpRefusal> McpHttp::place_in_session(const transport::HttpHeaders& headers, Exchange& exchange) {
  if (exchange.opens) return check_version(headers, "");
  const Result<std::string> id = transport::header_value(headers, "mcp-session-id");
  if (!id) {
    return McpRefusal{400, broker::kInvalidRequest, "Mcp-Session-Id is missing: initialize opens a session"};
  }
  const McpHttpSession* session = sessions_.find(*id, exchange.caller, SteadyClock::now());
  if (session == nullptr) return McpRefusal{404, broker::kInvalidRequest, "no such session: initialize opens one"};
  if (auto refused = check_version(headers, session->version)) return refused;
  exchange.session = *id;
  exchange.names = session->names;
  return std::nullopt;
}

// Notifications, and answers to requests that were never made.
void McpHttp::take_note(const Shared& exchange) {
  const Json& message = exchange->message;
  if (message.text("jsonrpc") != "2.0") {
    return refuse(exchange, {400, broker::kInvalidRequest, "this is no message of JSON-RPC 2.0"});
  }
  const Json* params = message.find("params");
  const Json* cancelled = params == nullptr ? nullptr : params->find("requestId");
  McpHttpSession* session = sessions_.find(exchange->session, exchange->caller, SteadyClock::now());
  if (session != nullptr && cancelled != nullptr && message.text("method") == "notifications/cancelled") {
    const auto held = session->held.find(cancelled->compact());
    if (held != session->held.end()) *held->second = true;
  }
  HttpResponse response;
  response.status = 202;
  respond(exchange, std::move(response));
}

void McpHttp::ask(const Shared& exchange) {
  const bool took = workers_.take([this, exchange](BrokerConnection& broker) {
    auto said = std::make_shared<Said>(converse(*exchange, broker));
    loop_.post([this, exchange, said] { finish(exchange, std::move(*said)); });
  });
  if (!took) finish(exchange, {McpRefusal{503, broker::kInternal, "more requests wait than are taken on"}, {}, {}, {}});
}

std::shared_ptr<broker::ToolNames> McpHttp::names_of(const std::string& agent) {
  const std::lock_guard lock(names_mutex_);
  std::shared_ptr<broker::ToolNames>& names = names_[agent];
  if (!names) names = std::make_shared<broker::ToolNames>();
  return names;
}

McpHttp::Said McpHttp::converse(const Exchange& exchange, BrokerConnection& broker) {
  if (exchange.told != 0) {
    Json question = exchange.identity;
    question.set("request_id", broker::request_that_waits(exchange.reply));
    const Result<Json> state = broker.post("/v1/waiting", question);
    if (state ? broker::still_waits(*state) : state.error().code == ErrorCode::Unavailable) return {};
  }
  Said said;
  said.names = exchange.names;
  if (!said.names) {  // without a session: the broker says who this is before anything else
    const Result<Json> who = broker.post("/v1/agent", exchange.identity);
    if (!who) {
      said.refusal = refusal_of(who.error());
      return said;
    }
    said.agent = who->text("agent_id");
    said.names = names_of(said.agent);
  }
  const auto asked = [&](const std::string& target, const Json& body) {
    Json whole = body;
    for (const auto& [name, value] : exchange.identity.as_object()) whole.set(name, value);
    return broker.post(target, whole);
  };
  broker::McpSession session(
      asked, [](const std::optional<Json>&) { return false; }, said.names, !exchange.session.empty());
  said.reply = session.answer_to(exchange.message);
  return said;
}

void McpHttp::finish(const Shared& exchange, Said said) {
  if (said.refusal && exchange->told == 0) return refuse(exchange, *said.refusal);
  if (said.reply) exchange->reply = *std::move(said.reply);
  if (may_wait(*exchange)) return wait(exchange);
  if (McpHttpSession* session = sessions_.find(exchange->session, exchange->caller, SteadyClock::now())) {
    session->held.erase(exchange->message.find("id")->compact());
  }
  if (exchange->told != 0) {
    release(*exchange);
    // A client that cancelled a request wants no answer to it.
    if (!*exchange->cancelled) exchange->responder.part(event_of(exchange->reply));
    return exchange->responder.end();
  }
  HttpResponse response = HttpResponse::json(exchange->reply, status_of(exchange->reply, exchange->stateless));
  const Json* result = exchange->reply.find("result");
  if (exchange->opens && result != nullptr) {
    response.headers.emplace_back("Mcp-Session-Id", sessions_.open({exchange->caller,
                                                                    said.agent,
                                                                    std::string(result->text("protocolVersion")),
                                                                    said.names,
                                                                    SteadyClock::now(),
                                                                    {}}));
  }
  respond(exchange, std::move(response));
}

// Whether people may still be waited for. A call whose client left is not made any more, since nobody would learn of
// it.
bool McpHttp::may_wait(const Exchange& exchange) {
  if (stopping_ || !exchange.takes_events || broker::request_that_waits(exchange.reply).empty()) return false;
  if (SteadyClock::now() >= exchange.wait_until || !exchange.responder.listens()) return false;
  if (exchange.cancelled && *exchange.cancelled) return false;
  return exchange.session.empty() || sessions_.find(exchange.session, exchange.caller, SteadyClock::now()) != nullptr;
}

void McpHttp::wait(const Shared& exchange) {
  if (exchange->told == 0) {
    exchange->cancelled = std::make_shared<bool>(false);
    if (McpHttpSession* session = sessions_.find(exchange->session, exchange->caller, SteadyClock::now())) {
      session->held[exchange->message.find("id")->compact()] = exchange->cancelled;
    }
    HttpResponse head;
    head.content_type = kEvents;
    head.headers.emplace_back("Cache-Control", "no-cache");
    exchange->responder.begin(head);
  }
  ++exchange->told;
  const Json* token = progress_token(exchange->message);
  exchange->responder.part(token == nullptr ? std::string(": waiting for approval\n\n")
                                            : event_of(broker::waiting_for_approval(*token, exchange->told)));
  loop_.after(kAskAgain, [this, exchange] { may_wait(*exchange) ? ask(exchange) : finish(exchange, {}); });
}

}  // namespace countersign::command
