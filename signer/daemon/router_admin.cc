#include "signer/daemon/router_exchange.h"

#include "common/json_fields.h"
#include "signer/daemon/ledger_keeper.h"

namespace countersign::daemon {

using transport::HttpRequest;
using transport::HttpResponse;

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
  if (act != "steps" && act != "close") return answer(exchange, HttpResponse::error(unknown_path(request.path)));
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
