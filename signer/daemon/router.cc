#include "signer/daemon/router.h"

#include <chrono>

#include "common/json_fields.h"
#include "signer/daemon/health.h"
#include "signer/daemon/ledger_keeper.h"

namespace countersign::daemon {
namespace {

using config::Operation;
using config::Socket;
using transport::HttpRequest;
using transport::HttpResponse;
using transport::Method;

constexpr const char* kKeysCache = "public, max-age=60, must-revalidate";

Error unknown(std::string_view path) {
  return Error{ErrorCode::NotFound, "there is nothing at " + std::string(path) + " on this socket", "",
               "docs/openapi.yaml lists what is served where."};
}

Result<Json> object_of(std::string_view body) {
  ASSIGN_OR_RETURN(Json json, Json::parse(body));
  if (!json.is_object()) return Error{ErrorCode::Invalid, "the body is no JSON object"};
  return json;
}

// The requests of a batch: its body is {"requests": […]}.
Result<JsonNode*> rows_of(const JsonTree& body) {
  JsonNode& object = body.root();
  if (!object.is(JsonNode::Kind::Object)) return Error{ErrorCode::Invalid, "the body is no JSON object"};
  for (const JsonNode& member : object.children()) {
    if (member.name == "requests") continue;
    return Error{ErrorCode::Invalid, std::string(member.name) + " is not a member that is known here"};
  }
  JsonNode* rows = object.find("requests");
  if (rows == nullptr) return Error{ErrorCode::Invalid, "requests is missing"};
  if (!rows->is(JsonNode::Kind::Array)) return Error{ErrorCode::Invalid, "requests is not a list"};
  return rows;
}

HttpResponse response_of(SignOutcome outcome) {
  if (outcome.answer) {
    HttpResponse response;
    response.body = *std::move(outcome.answer);
    return response;
  }
  if (outcome.tokens.empty()) return HttpResponse::error(outcome.answer.error());
  const Json members = Json::object({{"tokens", json_of(outcome.tokens)}});
  return HttpResponse::error(outcome.answer.error(), &members);
}

// One element of a batch's results.
std::string batch_row(const SignOutcome& outcome) {
  if (outcome.answer) return "{\"ok\":true," + outcome.answer->substr(1);
  Json error = transport::error_json(outcome.answer.error());
  if (!outcome.tokens.empty()) error.set("tokens", json_of(outcome.tokens));
  return Json::object({{"ok", false}, {"error", std::move(error)}}).compact();
}

HttpResponse cached(const std::string& body, const std::string& etag, const HttpRequest& request) {
  HttpResponse response;
  response.headers = {{"ETag", etag}, {"Cache-Control", kKeysCache}};
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

// `?proof=1` of a request to sign.
Result<bool> proof_wanted(std::string_view query) {
  if (query.empty()) return false;
  const Result<std::string> value = transport::query_value(query, "proof");
  if (!value && value.error().code == ErrorCode::NotFound) return false;
  if (!value) return value.error();
  if (*value == "1" || *value == "0") return *value == "1";
  return Error{ErrorCode::Invalid, "proof must be 0 or 1"};
}

}  // namespace

// A request that was admitted and is not yet answered.
struct Router::Exchange {
  transport::Responder responder;
  const Route& route;
  Caller caller;
  bool admitted = false;
};

struct Router::Route {
  Method method;
  std::string_view path;
  bool prefix;  // something follows `path`
  Operation operation;
  bool by_type;  // permission depends on the statement type: PeerPolicy::authorize decides
  void (Router::*serve)(const HttpRequest&, const Shared&);

  bool matches(std::string_view asked) const {
    return prefix ? asked.size() > path.size() && asked.starts_with(path) : asked == path;
  }
};

namespace {
using Route = Router::Route;
}  // namespace

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
                     : unknown(request.path));
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

void Router::sign_one(const JsonTree& body, std::string_view bytes, const transport::Peer& peer,
                      std::string_view request_id, SignService::Done done) {
  Result<SignRequest> request = SignRequest::parse(body, bytes);
  if (!request) return done({request.error()});
  const statement::StatementRow& row = statement::row_of(request->type);
  Result<AuthorizedRequest> authorized = services_.policy.authorize(*std::move(request), peer, request_id);
  if (!authorized) {
    services_.refusals.note(Refusal{authorized.error(), {}, config::Event::PeerNotPermitted},
                            Caller{peer.uid, std::string(request_id)}, row.name, keymgmt::name_of(row.role));
    return done({authorized.error()});
  }
  if (row.role == keymgmt::Role::Approval) {
    const Status agreed = services_.ceremonies.check_approvers();
    if (!agreed) return done({agreed.error()});
  }
  const auto began = std::chrono::steady_clock::now();
  const Status admitted = services_.limiter.admit(peer.uid, began);
  if (!admitted) return done({admitted.error()});
  services_.sign.sign(*std::move(authorized),
                      [this, uid = peer.uid, began, &row, done = std::move(done)](SignOutcome outcome) {
                        services_.limiter.release(uid);
                        if (outcome.answer) {
                          services_.metrics.signed_one(row.name, std::chrono::steady_clock::now() - began);
                        } else {
                          services_.metrics.refused(outcome.answer.error().wire_code());
                        }
                        done(std::move(outcome));
                      });
}

void Router::sign(const HttpRequest& request, const Shared& exchange) {
  const Result<JsonTree> body = JsonTree::parse(request.body);
  if (!body) return answer(exchange, HttpResponse::error(body.error()));
  const Result<bool> proof = proof_wanted(request.query);
  if (!proof) return answer(exchange, HttpResponse::error(proof.error()));
  if (*proof && services_.log == nullptr) return answer(exchange, HttpResponse::error(no_log()));
  sign_one(*body, request.body, request.peer, request.request_id,
           [this, exchange, proof = *proof](SignOutcome outcome) {
             if (proof && outcome.answer) return answer_with_proof(exchange, *outcome.answer);
             answer(exchange, response_of(std::move(outcome)));
           });
}

void Router::sign_batch(const HttpRequest& request, const Shared& exchange) {
  const Result<JsonTree> body = JsonTree::parse(request.body);
  if (!body) return answer(exchange, HttpResponse::error(body.error()));
  const Result<JsonNode*> rows = rows_of(*body);
  if (!rows) return answer(exchange, HttpResponse::error(rows.error()));
  if ((*rows)->count > services_.config.limits.batch_items) {
    return answer(exchange, HttpResponse::error(Error{
                                ErrorCode::TooLarge,
                                "a batch may have " + std::to_string(services_.config.limits.batch_items) + " requests",
                                "", "limits.batch_items sets the bound."}));
  }
  struct Batch {
    std::vector<std::string> results;
    std::size_t open = 0;
  };
  const auto batch = std::make_shared<Batch>();
  batch->results.resize((*rows)->count);
  batch->open = (*rows)->count + 1;  // one is ours, until all are under way
  const auto finish = [this, exchange, batch] {
    if (--batch->open > 0) return;
    HttpResponse response;
    response.body = "{\"results\":[";
    for (std::size_t i = 0; i < batch->results.size(); ++i) {
      if (i > 0) response.body += ',';
      response.body += batch->results[i];
    }
    response.body += "]}";
    answer(exchange, std::move(response));
  };
  std::size_t place = 0;
  for (JsonNode& row : (*rows)->children()) {
    const bool repeatable = row.find("idempotency_key") != nullptr;
    const std::string bytes = repeatable ? row.compact() : std::string();
    sign_one(body->at(row), bytes, request.peer, request.request_id,
             [batch, finish, i = place++](const SignOutcome& outcome) {
               batch->results[i] = batch_row(outcome);
               finish();
             });
  }
  finish();
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

void Router::keys(const HttpRequest& request, const Shared& exchange) {
  answer(exchange, cached(services_.keys.document(), services_.keys.etag(), request));
}

void Router::key(const HttpRequest& request, const Shared& exchange) {
  const Result<Json> key = services_.queries.key(request.path.substr(exchange->route.path.size()));
  if (!key) return answer(exchange, HttpResponse::error(key.error()));
  answer(exchange, cached(key->compact(), services_.keys.etag(), request));
}

void Router::jwks(const HttpRequest& request, const Shared& exchange) {
  answer(exchange, cached(services_.keys.jwks(), services_.keys.etag(), request));
}

void Router::answer_with_proof(const Shared& exchange, const std::string& text) {
  Result<Json> whole = Json::parse(text);
  const Json* index = whole ? whole->find("log_index") : nullptr;
  if (index == nullptr || !index->is_integer()) {
    return answer(exchange, HttpResponse::error(Error{ErrorCode::Internal, "the answer to a signature has no index"}));
  }
  const auto place = static_cast<std::uint64_t>(index->as_integer());
  services_.log->when_covered(place, [this, exchange, place, whole = *std::move(whole)](const Status& covered) mutable {
    const Result<Json> proof = covered ? services_.log->proof(place) : Result<Json>(covered.error());
    // The signature is made and recorded: it is given also where its proof has to be fetched later.
    if (proof) {
      whole.set("proof", *proof);
    } else {
      whole.set("proof_error", transport::error_json(proof.error()));
    }
    answer(exchange, HttpResponse::json(whole));
  });
}

void Router::checkpoint(const HttpRequest&, const Shared& exchange) {
  if (services_.log == nullptr) return answer(exchange, HttpResponse::error(no_log()));
  if (services_.log->note().empty()) {
    return answer(exchange, HttpResponse::error(Error{ErrorCode::Unavailable, "the log has no checkpoint yet",
                                                      "log_behind", "Ask again in a second."}));
  }
  HttpResponse response;
  response.body = services_.log->note();
  response.content_type = "text/plain; charset=utf-8";
  response.headers.emplace_back("Cache-Control", "no-cache");
  answer(exchange, std::move(response));
}

void Router::tile(const HttpRequest& request, const Shared& exchange) {
  if (services_.log == nullptr) return answer(exchange, HttpResponse::error(no_log()));
  Result<std::string> bytes = services_.log->tile(request.path.substr(std::string_view("/v1/log/").size()));
  if (!bytes) return answer(exchange, HttpResponse::error(bytes.error()));
  HttpResponse response;
  response.body = *std::move(bytes);
  response.content_type = "application/octet-stream";
  response.headers.emplace_back("Cache-Control", "public, max-age=31536000, immutable");
  answer(exchange, std::move(response));
}

void Router::proof(const HttpRequest& request, const Shared& exchange) {
  if (services_.log == nullptr) return answer(exchange, HttpResponse::error(no_log()));
  const Result<std::uint64_t> index = services_.queries.log_index(request.query);
  answer(exchange, index ? services_.log->proof(*index) : Result<Json>(index.error()));
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

void Router::change_keys(const HttpRequest& request, const Shared& exchange, KeyChange change) {
  const Result<Json> body = object_of(request.body);
  if (!body) return answer(exchange, HttpResponse::error(body.error()));
  (services_.custody.*change)(*body, exchange->caller,
                              [this, exchange](const Result<Json>& result) { answer(exchange, result); });
}

void Router::halt(const HttpRequest& request, const Shared& exchange) {
  change_keys(request, exchange, &KeyCustody::halt);
}

void Router::publish(const HttpRequest& request, const Shared& exchange) {
  change_keys(request, exchange, &KeyCustody::republish);
}

void Router::acknowledge(const HttpRequest& request, const Shared& exchange) {
  change_keys(request, exchange, &KeyCustody::acknowledge);
}

void Router::propose_keys(const HttpRequest& request, const Shared& exchange) {
  change_keys(request, exchange, &KeyCustody::propose);
}

void Router::published_file(const HttpRequest& request, const Shared& exchange) {
  const std::shared_ptr<const publication::Files> files = services_.publisher.published();
  const auto file = files ? files->find(request.path.substr(1)) : publication::Files::const_iterator();
  if (!files || file == files->end()) return answer(exchange, HttpResponse::error(unknown(request.path)));
  HttpResponse response = cached(file->second, '"' + sha256(file->second).hex().substr(0, 32) + '"', request);
  if (!file->first.ends_with(".json")) response.content_type = "text/plain; charset=utf-8";
  answer(exchange, std::move(response));
}

void Router::stage_key(const HttpRequest& request, const Shared& exchange) {
  change_keys(request, exchange, &KeyCustody::stage);
}

void Router::activate_key(const HttpRequest& request, const Shared& exchange) {
  change_keys(request, exchange, &KeyCustody::activate);
}

void Router::check_ledger(const HttpRequest& request, const Shared& exchange) {
  const Result<Json> body = object_of(request.body);
  answer(exchange, body ? ask_for_check(services_.store, *body) : body);
}

void Router::ceremonies(const HttpRequest&, const Shared& exchange) {
  answer(exchange, services_.ceremonies.list());
}

void Router::ceremony(const HttpRequest& request, const Shared& exchange) {
  answer(exchange, services_.ceremonies.show(request.path.substr(exchange->route.path.size())));
}

void Router::open_ceremony(const HttpRequest& request, const Shared& exchange) {
  const Result<Json> body = object_of(request.body);
  if (!body) return answer(exchange, HttpResponse::error(body.error()));
  services_.ceremonies.open(*body, exchange->caller,
                            [this, exchange](const Result<Json>& result) { answer(exchange, result); });
}

// {plan}/steps and {plan}/close.
void Router::act_in_ceremony(const HttpRequest& request, const Shared& exchange) {
  const std::string_view rest = std::string_view(request.path).substr(exchange->route.path.size());
  const std::size_t slash = rest.find('/');
  const std::string_view act = slash == std::string_view::npos ? "" : rest.substr(slash + 1);
  if (act != "steps" && act != "close") return answer(exchange, HttpResponse::error(unknown(request.path)));
  const Result<Json> body = object_of(request.body);
  if (!body) return answer(exchange, HttpResponse::error(body.error()));
  const auto done = [this, exchange](const Result<Json>& result) { answer(exchange, result); };
  if (act == "steps") return services_.ceremonies.step(rest.substr(0, slash), *body, exchange->caller, done);
  services_.ceremonies.close(rest.substr(0, slash), *body, exchange->caller, done);
}

void Router::reset_time(const HttpRequest& request, const Shared& exchange) {
  const Result<Json> body = object_of(request.body);
  const Status only = body ? JsonFields(*body, "").finish() : Status(body.error());
  if (!only) return answer(exchange, HttpResponse::error(only.error()));
  services_.store.time_guard().reset();
  ledger::Item item;
  item.record.kind = "time_reset";
  item.record.at = services_.clock.now();
  item.record.peer_uid = exchange->caller.uid;
  item.record.request_id = exchange->caller.request_id;
  item.record.body = Json::object({{"at", item.record.at.rfc3339()}}).compact();
  item.record.body_digest = sha256(item.record.body);
  services_.recorder.record(std::move(item), [this, exchange](const Result<ledger::Committed>& outcome) {
    if (!outcome) return answer(exchange, HttpResponse::error(outcome.error()));
    answer(exchange, Json::object({{"reset", true}, {"log_index", outcome->log_index}}));
  });
}

}  // namespace countersign::daemon
