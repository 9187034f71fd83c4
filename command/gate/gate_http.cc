#include "command/gate/gate_http.h"

#include <unistd.h>

#include <algorithm>
#include <chrono>

#include "command/serving/mcp_headers.h"
#include "common/json_fields.h"
#include "signer/statement/statement.h"

namespace countersign::command {
namespace {

using transport::HttpRequest;
using transport::HttpResponse;
using transport::Method;
using Clock = std::chrono::steady_clock;

Error busy() {
  return Error{ErrorCode::Unavailable, "more evaluations wait than the gate takes on", "gate_busy",
               "ask again in a moment"};
}

Error expired() {
  return Error{ErrorCode::Unavailable, "the request waited too long for its turn; nothing was decided", "gate_busy",
               "ask again in a moment"};
}

// Upper bounds of the histogram, in seconds.
constexpr double kSeconds[] = {0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10};

transport::HttpLimits limits_of(const GateHttpOptions& options) {
  transport::HttpLimits limits;
  limits.connections = options.connections;
  limits.body = options.request_bytes;
  limits.keep_headers = options.port.has_value();
  return limits;
}

Json batch_row(Result<Json> answer) {
  if (!answer) return Json::object({{"ok", false}, {"error", transport::error_json(answer.error())}});
  return *std::move(answer);
}

constexpr std::string_view kEventRoute = "/v1/evaluate/sse";
constexpr std::string_view kLineRoute = "/v1/evaluate/stream";

// One answer in the form of its route: JSON, one server-sent event, or one line of JSON.
HttpResponse in_form(std::string_view route, const Json& answer, int status) {
  HttpResponse response = HttpResponse::json(answer, status);
  if (route == kEventRoute) {
    response.content_type = "text/event-stream";
    response.headers.emplace_back("Cache-Control", "no-cache");
    response.body = "event: evaluate\ndata: " + answer.compact() + "\n\n";
  } else if (route == kLineRoute) {
    response.content_type = "application/x-ndjson";
    response.body = answer.compact() + "\n";
  }
  return response;
}

int status_of(std::string_view verdict) {
  const std::optional<statement::Verdict> named = statement::verdict_named(verdict);
  if (named == statement::Verdict::Allow) return 200;
  return named == statement::Verdict::DryRun || named == statement::Verdict::RequireApproval ? 409 : 403;
}

bool is_owner(std::uint32_t uid) {
  return uid == 0 || uid == ::geteuid();
}

Result<Json> object_of(std::string_view body) {
  // The intent and the tokens within are gait's documents, read as the command reads them.
  ASSIGN_OR_RETURN(Json json, Json::parse(body, {.gait = true, .exact_integers = true}));
  if (!json.is_object()) return Error{ErrorCode::Invalid, "the body is no JSON object"};
  return json;
}

}  // namespace

// A request that is not yet answered.
struct GateHttp::Exchange {
  transport::Responder responder;
  std::string_view route;
  std::uint32_t uid = 0;
  bool admitted = false;
  Clock::time_point began = Clock::now();
};

struct GateHttp::Route {
  Method method;
  std::string_view path;
  bool limited;     // counts against the peer's rate: whether the gate lives is told to whoever asks too much as well
  bool owner_only;  // the gate's own user, and root
  void (GateHttp::*serve)(const HttpRequest&, const Shared&);
};

GateHttp::GateHttp(transport::EventLoop& loop, GateAnswers& answers, GateHttpOptions options, const std::string& signer)
    : loop_(loop),
      judge_(answers),
      options_(std::move(options)),
      limiter_(options_.requests_per_second, options_.burst, options_.in_flight),
      server_(loop, limits_of(options_)),
      durations_(std::size(kSeconds) + 1),
      workers_(options_.workers, options_.waiting,
               [signer, within = options_.answer_within] { return client::SignerClient(signer, within); }) {}

Status GateHttp::serve(transport::Listener listener) {
  return server_.serve(std::move(listener), [this](const HttpRequest& request, transport::Responder responder) {
    handle(request, std::move(responder));
  });
}

std::optional<HttpResponse> GateHttp::refusal_of(const HttpRequest& request) const {
  const std::uint32_t uid = request.peer.uid;
  if (uid != transport::Peer::kNobody) {
    if (is_owner(uid) || options_.peers.contains(uid)) return std::nullopt;
    return HttpResponse::error(Error{ErrorCode::Refused, "uid " + std::to_string(uid) + " may not ask this gate",
                                     "peer_not_permitted", "--peer-uid names who may"});
  }
  // Its Listener is the only way to a port, so there is one to be asked about.
  const GatePort& port = options_.port.value();
  if (const std::optional<McpRefusal> refused = check_place(request.headers, port.authority)) {
    return HttpResponse::error(Error{ErrorCode::Refused, refused->detail, "foreign_page"});
  }
  std::string token;
  if (!read_bearer(request.headers, token) && sha256(token) == port.token) return std::nullopt;
  HttpResponse response = HttpResponse::error(Error{ErrorCode::Refused, "this is not the token that is asked for here",
                                                    "bearer_token", "send Authorization: Bearer TOKEN"});
  response.status = 401;
  response.headers.emplace_back("WWW-Authenticate", "Bearer");
  return response;
}

void GateHttp::handle(const HttpRequest& request, transport::Responder responder) {
  static constexpr Route kRoutes[] = {
      {Method::Post, "/v1/evaluate", true, false, &GateHttp::evaluate},
      {Method::Post, kEventRoute, true, false, &GateHttp::evaluate},
      {Method::Post, kLineRoute, true, false, &GateHttp::evaluate},
      {Method::Post, "/v1/evaluate-batch", true, false, &GateHttp::evaluate_batch},
      {Method::Get, "/v1/policies", true, false, &GateHttp::policies},
      {Method::Post, "/v1/reload", true, true, &GateHttp::reload_policies},
      {Method::Get, "/healthz", false, false, &GateHttp::healthz},
      {Method::Get, "/readyz", false, false, &GateHttp::readyz},
      {Method::Get, "/metrics", true, false, &GateHttp::metrics},
  };
  const Route* route = nullptr;
  for (const Route& each : kRoutes) {
    const bool streams = each.path == kEventRoute || each.path == kLineRoute;
    if (streams && !options_.event_routes) continue;
    if (each.path == request.path && each.method == request.method) route = &each;
  }
  const std::uint32_t uid = request.peer.uid;
  const auto exchange = std::make_shared<Exchange>(
      Exchange{std::move(responder), route == nullptr ? std::string_view("unknown") : route->path, uid});
  if (std::optional<HttpResponse> refusal = refusal_of(request)) return answer(exchange, *std::move(refusal));
  if (route == nullptr) {
    return answer(exchange,
                  HttpResponse::error(Error{ErrorCode::NotFound, "there is nothing of this method and path"}));
  }
  if (route->owner_only && !is_owner(uid)) {
    return answer(exchange, HttpResponse::error(Error{ErrorCode::Refused, "only the gate's own user may do this",
                                                      "peer_not_permitted"}));
  }
  if (route->limited) {
    const Status admitted = limiter_.admit(uid, Clock::now());
    if (!admitted) return answer(exchange, HttpResponse::error(admitted.error()));
    exchange->admitted = true;
  }
  (this->*route->serve)(request, exchange);
}

void GateHttp::answer(const Shared& exchange, HttpResponse response) {
  if (exchange->admitted) limiter_.release(exchange->uid);
  exchange->admitted = false;
  ++answers_[{std::string(exchange->route), response.status}];
  exchange->responder.send(std::move(response));
}

void GateHttp::on_worker(const Shared& exchange, std::function<HttpResponse(client::SignerClient&)> job) {
  const bool taken = workers_.take([this, exchange, job = std::move(job)](client::SignerClient& signer) {
    // A caller that gave up would not learn of an allow, and its approvals would be spent for nothing.
    const bool late = Clock::now() - exchange->began > options_.answer_within;
    auto response = std::make_shared<HttpResponse>(late ? HttpResponse::error(expired()) : job(signer));
    loop_.post([this, exchange, response, late] {
      const double seconds = std::chrono::duration<double>(Clock::now() - exchange->began).count();
      ++durations_[static_cast<std::size_t>(std::ranges::lower_bound(kSeconds, seconds) - std::begin(kSeconds))];
      seconds_ += seconds;
      if (late) ++expired_;
      answer(exchange, std::move(*response));
    });
  });
  if (!taken) answer(exchange, HttpResponse::error(busy()));
}

void GateHttp::evaluate(const HttpRequest& request, const Shared& exchange) {
  Result<Json> body = object_of(request.body);
  if (!body) return answer(exchange, HttpResponse::error(body.error()));
  on_worker(exchange, [this, uid = exchange->uid, route = exchange->route,
                       body = std::make_shared<Json>(*std::move(body))](client::SignerClient& signer) {
    const Result<Json> said = judge_.evaluate(*body, uid, signer);
    if (!said) return HttpResponse::error(said.error());
    const std::string verdict(said->text("verdict"));
    loop_.post([this, verdict] { ++verdicts_[verdict]; });
    return in_form(route, *said, options_.status_by_verdict ? status_of(verdict) : 200);
  });
}

void GateHttp::evaluate_batch(const HttpRequest& request, const Shared& exchange) {
  Result<Json> body = object_of(request.body);
  if (!body) return answer(exchange, HttpResponse::error(body.error()));
  JsonFields fields(*body, "");
  const Result<const Json::Array*> rows = fields.array("requests");
  const Status only = rows ? fields.finish() : Status(rows.error());
  if (!only) return answer(exchange, HttpResponse::error(only.error()));
  if ((*rows)->size() > options_.batch_items) {
    return answer(exchange,
                  HttpResponse::error(Error{ErrorCode::TooLarge,
                                            "a batch may have " + std::to_string(options_.batch_items) + " requests"}));
  }
  on_worker(exchange,
            [this, uid = exchange->uid, items = std::make_shared<Json::Array>(**rows)](client::SignerClient& signer) {
              Json::Array results;
              for (const Json& item : *items) results.push_back(batch_row(judge_.evaluate(item, uid, signer)));
              return HttpResponse::json(Json::object({{"results", std::move(results)}}));
            });
}

void GateHttp::policies(const HttpRequest&, const Shared& exchange) {
  answer(exchange, HttpResponse::json(judge_.policies()));
}

Status GateHttp::reload() {
  const Status done = judge_.reload();
  ++(done ? reloads_ : failed_reloads_);
  return done;
}

void GateHttp::reload_policies(const HttpRequest&, const Shared& exchange) {
  const Status done = reload();
  answer(exchange, done ? HttpResponse::json(judge_.policies()) : HttpResponse::error(done.error()));
}

void GateHttp::healthz(const HttpRequest&, const Shared& exchange) {
  answer(exchange, HttpResponse::json(Json::object({{"live", true}})));
}

void GateHttp::readyz(const HttpRequest&, const Shared& exchange) {
  on_worker(exchange, [](client::SignerClient& signer) {
    const Result<std::string> said = signer.get("/readyz");
    const Result<Json> json = said ? Json::parse(*said) : Result<Json>(said.error());
    const Json* ready = json ? json->find("ready") : nullptr;
    const bool good = ready != nullptr && ready->is_bool() && ready->as_bool();
    HttpResponse response = HttpResponse::json(
        Json::object({{"ready", good}, {"signer", json ? (good ? "ready" : "not ready") : "unreachable"}}),
        good ? 200 : 503);
    if (!good) response.headers.emplace_back("Retry-After", "1");
    return response;
  });
}

void GateHttp::metrics(const HttpRequest&, const Shared& exchange) {
  std::string text = "# TYPE countersign_gate_answers_total counter\n";
  for (const auto& [key, count] : answers_) {
    text += "countersign_gate_answers_total{route=\"" + key.first + "\",status=\"" + std::to_string(key.second) +
            "\"} " + std::to_string(count) + "\n";
  }
  text += "# TYPE countersign_gate_verdicts_total counter\n";
  for (const auto& [verdict, count] : verdicts_) {
    text += "countersign_gate_verdicts_total{verdict=\"" + verdict + "\"} " + std::to_string(count) + "\n";
  }
  text += "# TYPE countersign_gate_request_seconds histogram\n";
  std::uint64_t count = 0;
  for (std::size_t i = 0; i < durations_.size(); ++i) {
    count += durations_[i];
    const std::string bound = i < std::size(kSeconds) ? ecmascript_number(kSeconds[i]) : "+Inf";
    text += "countersign_gate_request_seconds_bucket{le=\"" + bound + "\"} " + std::to_string(count) + "\n";
  }
  const transport::HttpCounts http = server_.counts();
  struct Value {
    const char* name;
    double value;
  };
  const Value values[] = {{"countersign_gate_request_seconds_sum", seconds_},
                          {"countersign_gate_request_seconds_count", static_cast<double>(count)},
                          {"countersign_gate_requests_expired_total", static_cast<double>(expired_)},
                          {"countersign_gate_connections_refused_total", static_cast<double>(http.refused)},
                          {"countersign_gate_reloads_total", static_cast<double>(reloads_)},
                          {"countersign_gate_reloads_failed_total", static_cast<double>(failed_reloads_)},
                          {"countersign_gate_connections", static_cast<double>(http.connections)},
                          {"countersign_gate_requests_malformed_total", static_cast<double>(http.malformed)},
                          {"countersign_gate_timeouts_total", static_cast<double>(http.timeouts)}};
  for (const Value& each : values) text += std::string(each.name) + " " + ecmascript_number(each.value) + "\n";
  HttpResponse response;
  response.content_type = "text/plain; version=0.0.4; charset=utf-8";
  response.body = std::move(text);
  answer(exchange, std::move(response));
}

}  // namespace countersign::command
