#include "signer/daemon/router_exchange.h"

#include <chrono>
#include <vector>

namespace countersign::daemon {

using transport::HttpRequest;
using transport::HttpResponse;

namespace {

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

}  // namespace countersign::daemon
