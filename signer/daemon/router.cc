#include "signer/daemon/router.h"

#include <chrono>

#include "signer/daemon/health.h"
#include "signer/daemon/router_exchange.h"

namespace countersign::daemon {

using config::Operation;
using config::Socket;
using transport::HttpRequest;
using transport::HttpResponse;
using transport::Method;

Error unknown_path(std::string_view path) {
  return Error{ErrorCode::NotFound, "there is nothing at " + std::string(path) + " on this socket", "",
               "docs/openapi.yaml lists what is served where."};
}

Result<Json> object_of(std::string_view body) {
  ASSIGN_OR_RETURN(Json json, Json::parse(body));
  if (!json.is_object()) return Error{ErrorCode::Invalid, "the body is no JSON object"};
  return json;
}

HttpResponse cached(const std::string& body, const std::string& etag, const HttpRequest& request) {
  HttpResponse response;
  response.headers = {{"ETag", etag}, {"Cache-Control", "public, max-age=60, must-revalidate"}};
  if (request.if_none_match == etag || request.if_none_match == "*") {
    response.status = 304;
  } else {
    response.body = body;
  }
  return response;
}

Error no_log() {
  return Error{ErrorCode::NotFound, "this signer keeps no transparency log", "log_not_configured",
               "Configure the role `log` (docs/log.md)."};
}

transport::HttpServer::Handler Router::handler(Socket socket) {
  return [this, socket](const HttpRequest& request, transport::Responder responder) {
    serve(socket, request, std::move(responder));
  };
}

void Router::serve(Socket socket, const HttpRequest& request, transport::Responder responder) {
  static constexpr Route kRoutes[] = {
      {Method::Post, "/v1/sign", false, Operation::SignTrace, true, &Router::sign},
      {Method::Post, "/v1/sign-batch", false, Operation::SignTrace, true, &Router::sign_batch},
      {Method::Post, "/v1/verify", false, Operation::Verify, false, &Router::verify},
      {Method::Post, "/v1/executed", false, Operation::Executed, false, &Router::executed},
      {Method::Post, "/v1/evidence", false, Operation::Evidence, false, &Router::evidence},
      {Method::Post, "/v1/approvals/revoke", false, Operation::SignApproval, false, &Router::revoke_approval},
      {Method::Get, "/v1/nonce", false, Operation::Nonce, false, &Router::nonce},
      {Method::Get, "/v1/decisions", false, Operation::Decisions, false, &Router::decisions},
      {Method::Get, "/v1/requests", false, Operation::Requests, false, &Router::requests},
      {Method::Get, "/v1/requests/", true, Operation::Requests, false, &Router::request},
      {Method::Get, "/v1/keys", false, Operation::Keys, false, &Router::keys},
      {Method::Get, "/v1/keys/", true, Operation::Keys, false, &Router::key},
      {Method::Get, "/.well-known/jwks.json", false, Operation::Keys, false, &Router::jwks},
      {Method::Get, "/v1/log/checkpoint", false, Operation::Log, false, &Router::checkpoint},
      {Method::Get, "/v1/log/tile/", true, Operation::Log, false, &Router::tile},
      {Method::Get, "/v1/log/proof", false, Operation::Log, false, &Router::proof},
      {Method::Get, "/healthz", false, Operation::Health, false, &Router::healthz},
      {Method::Get, "/readyz", false, Operation::Health, false, &Router::readyz},
      {Method::Get, "/metrics", false, Operation::Metrics, false, &Router::metrics},
      {Method::Get, "/v1/status", false, Operation::AdminStatus, false, &Router::status},
      {Method::Post, "/v1/ledger/check", false, Operation::AdminLedger, false, &Router::check_ledger},
      {Method::Post, "/v1/time/reset", false, Operation::AdminTime, false, &Router::reset_time},
      {Method::Post, "/v1/halt", false, Operation::AdminHalt, false, &Router::halt},
      {Method::Get, "/v1/ceremonies", false, Operation::AdminCeremonies, false, &Router::ceremonies},
      {Method::Post, "/v1/ceremonies", false, Operation::AdminCeremonies, false, &Router::open_ceremony},
      {Method::Get, "/v1/ceremonies/", true, Operation::AdminCeremonies, false, &Router::ceremony},
      {Method::Post, "/v1/ceremonies/", true, Operation::AdminCeremonies, false, &Router::act_in_ceremony},
      {Method::Post, "/v1/publish", false, Operation::AdminPublish, false, &Router::publish},
      {Method::Post, "/v1/acks", false, Operation::AdminAcks, false, &Router::acknowledge},
      {Method::Post, "/v1/keys/propose", false, Operation::AdminCeremonies, false, &Router::propose_keys},
      {Method::Post, "/v1/keys/stage", false, Operation::AdminCeremonies, false, &Router::stage_key},
      {Method::Post, "/v1/keys/activate", false, Operation::AdminCeremonies, false, &Router::activate_key},
  };
  // What lies in the publication directory, byte for byte.
  static constexpr Route kPublished = {Method::Get, "/", true, Operation::Keys, false, &Router::published_file};
  const Route* route = nullptr;
  bool other_method = false;
  for (const Route& each : kRoutes) {
    if (!each.matches(request.path) || !config::served_on(each.operation, socket)) continue;
    if (each.method == request.method) route = &each;
    other_method = true;
  }
  if (route == nullptr && !other_method && socket == Socket::Public && request.method == Method::Get &&
      kPublished.matches(request.path)) {
    route = &kPublished;
  }
  if (route == nullptr) {
    HttpResponse response = HttpResponse::error(
        other_method ? Error{ErrorCode::Invalid, "another method is needed here", "method_not_allowed"}
                     : unknown_path(request.path));
    if (other_method) response.status = 405;
    services_.metrics.answered("unknown", response.status);
    return responder.send(std::move(response));
  }
  const auto exchange = std::make_shared<Exchange>(
      Exchange{std::move(responder), *route, Caller{request.peer.uid, std::string(request.request_id)}, false});
  if (!route->by_type) {
    if (!services_.policy.may(request.peer, route->operation)) {
      const Refusal refusal{not_permitted(request.peer, route->operation), {}, config::Event::PeerNotPermitted};
      services_.refusals.note(refusal, exchange->caller, config::row_of(route->operation).may, "");
      return answer(exchange, HttpResponse::error(refusal.error));
    }
    // Whether the signer lives must be seen also, and above all, while somebody asks too much.
    if (route->operation != Operation::Health) {
      const Status admitted = services_.limiter.admit(request.peer.uid, std::chrono::steady_clock::now());
      if (!admitted) return answer(exchange, HttpResponse::error(admitted.error()));
      exchange->admitted = true;
    }
  }
  (this->*route->serve)(request, exchange);
}

void Router::answer(const Shared& exchange, HttpResponse response) {
  if (exchange->admitted) services_.limiter.release(exchange->caller.uid);
  exchange->admitted = false;
  services_.metrics.answered(exchange->route.path, response.status);
  exchange->responder.send(std::move(response));
}

void Router::answer(const Shared& exchange, const Result<Json>& result) {
  answer(exchange, result ? HttpResponse::json(*result) : HttpResponse::error(result.error()));
}

void Router::verify(const HttpRequest& request, const Shared& exchange) {
  const Result<Json> body = object_of(request.body);
  answer(exchange, body ? services_.queries.verify(*body) : Result<Json>(body.error()));
}

void Router::executed(const HttpRequest& request, const Shared& exchange) {
  const Result<Json> body = object_of(request.body);
  if (!body) return answer(exchange, HttpResponse::error(body.error()));
  services_.execution.mark(*body, exchange->caller,
                           [this, exchange](const Result<Json>& result) { answer(exchange, result); });
}

void Router::revoke_approval(const HttpRequest& request, const Shared& exchange) {
  const Result<Json> body = object_of(request.body);
  if (!body) return answer(exchange, HttpResponse::error(body.error()));
  services_.revocation.revoke(*body, exchange->caller,
                              [this, exchange](const Result<Json>& result) { answer(exchange, result); });
}

void Router::evidence(const HttpRequest& request, const Shared& exchange) {
  const Result<Json> body = object_of(request.body);
  if (!body) return answer(exchange, HttpResponse::error(body.error()));
  services_.evidence.find(*body, [this, exchange](const Result<Json>& result) { answer(exchange, result); });
}

void Router::nonce(const HttpRequest&, const Shared& exchange) {
  answer(exchange, services_.queries.nonce(exchange->caller.uid));
}

void Router::decisions(const HttpRequest& request, const Shared& exchange) {
  answer(exchange, services_.queries.decision(request.query));
}

void Router::requests(const HttpRequest&, const Shared& exchange) {
  answer(exchange, services_.queries.requests());
}

void Router::request(const HttpRequest& request, const Shared& exchange) {
  answer(exchange, services_.queries.request(request.path.substr(exchange->route.path.size())));
}

void Router::healthz(const HttpRequest&, const Shared& exchange) {
  answer(exchange, Json::object({{"live", true}}));
}

void Router::readyz(const HttpRequest&, const Shared& exchange) {
  const Json readiness = daemon::readiness(services_);
  const bool ready = readiness.find("ready")->as_bool();
  HttpResponse response = HttpResponse::json(readiness, ready ? 200 : 503);
  if (!ready) response.headers.emplace_back("Retry-After", "1");
  answer(exchange, std::move(response));
}

void Router::metrics(const HttpRequest&, const Shared& exchange) {
  Gauges gauges;
  gauges.http = server_.counts();
  gauges.holders = services_.holders.states();
  gauges.ledger_size = services_.store.head().size;
  gauges.uncommitted = services_.recorder.unfinished();
  gauges.unrecorded_refusals = services_.refusals.unrecorded();
  gauges.keys = role_keys(services_.config, services_.keys.set());
  gauges.publication = publication_deadlines(services_.publisher);
  gauges.now = services_.clock.now();
  gauges.clock_stopped = services_.store.time_guard().stopped();
  gauges.ready = obstacles(services_).empty();
  gauges.ledger_check = services_.store.check_report();
  HttpResponse response;
  response.content_type = "text/plain; version=0.0.4; charset=utf-8";
  response.body = services_.metrics.text(gauges);
  answer(exchange, std::move(response));
}

void Router::status(const HttpRequest&, const Shared& exchange) {
  answer(exchange, daemon::status(services_, server_.counts()));
}

}  // namespace countersign::daemon
