#include "signer/client/signer_client.h"

#include "signer/transport/http_client.h"

namespace countersign::client {
namespace {

using transport::HttpAnswer;
using transport::HttpClient;

Error nonsense(const std::string& detail) {
  return Error{ErrorCode::Unavailable, "the signer's answer cannot be used: " + detail, "bad_answer"};
}

// The refusal in an answer that is not 200.
Refusal refusal_of(const HttpAnswer& answer) {
  Refusal refusal{transport::error_of(answer, "the signer"), {}};
  const Result<Json> body = Json::parse(answer.body);
  const Json* object = body ? body->find("error") : nullptr;
  const Json* tokens = object == nullptr ? nullptr : object->find("tokens");
  if (tokens == nullptr || !tokens->is_array()) return refusal;
  for (const Json& token : tokens->as_array()) {
    refusal.tokens.push_back({std::string(token.text("token_id")), std::string(token.text("code"))});
  }
  return refusal;
}

Result<Json> json_of(Result<HttpAnswer> answer) {
  if (!answer) return std::move(answer).error();
  if (answer->status != 200) return refusal_of(*answer).error;
  Result<Json> body = Json::parse(answer->body, {.bytes = std::size_t{64} << 20});
  if (!body) return nonsense(body.error().detail);
  return body;
}

Json body_of(const SignRequest& request) {
  Json body = Json::object({{"type", statement::row_of(request.type).name}, {"statement", request.fields}});
  if (!request.redeem.empty()) body.set("redeem", request.redeem);
  if (request.proof) body.set("proof", *request.proof);
  if (request.intent) body.set("intent", *request.intent);
  if (!request.idempotency_key.empty()) body.set("idempotency_key", request.idempotency_key);
  if (request.execute) body.set("execute", true);
  return body;
}

// That it was this request that took the permit.
std::optional<Error> not_executed(const Json& body) {
  const Json* executed = body.find("executed");
  if (executed == nullptr || !executed->is_bool()) return nonsense("it does not say whether the permit was executed");
  if (executed->as_bool()) return std::nullopt;
  return Error{ErrorCode::Conflict, "this permit was executed before, by the same request sent earlier",
               "already_executed", "Whether what it permits was run, nobody knows: look before you ask for it anew."};
}

Result<Signed> signed_of(const Json& body) {
  const Json* document = body.find("statement");
  const Json* index = body.find("log_index");
  const Json* redeemed = body.find("redeemed");
  if (document == nullptr || !document->is_object() || index == nullptr || !index->is_integer() ||
      index->as_integer() < 0 || redeemed == nullptr || !redeemed->is_array()) {
    return nonsense("a member is missing or has another type");
  }
  Signed answer{*document, std::string(body.text("kid")), static_cast<std::uint64_t>(index->as_integer()), {}};
  for (const Json& id : redeemed->as_array()) {
    if (!id.is_string()) return nonsense("redeemed holds something that is no text");
    answer.redeemed.push_back(id.as_string());
  }
  return answer;
}

}  // namespace

struct SignerClient::Connection {
  HttpClient http;
};

SignerClient::SignerClient(std::string socket_path) : connection_(new Connection{HttpClient(std::move(socket_path))}) {}
SignerClient::SignerClient(std::string socket_path, std::chrono::nanoseconds timeout)
    : connection_(new Connection{HttpClient(std::move(socket_path), HttpClient::Timeouts{timeout, timeout})}) {}
SignerClient::SignerClient(SignerClient&&) noexcept = default;
SignerClient& SignerClient::operator=(SignerClient&&) noexcept = default;
SignerClient::~SignerClient() = default;

Result<std::variant<Signed, Refusal>> SignerClient::sign(const SignRequest& request) {
  const HttpClient::Repeat repeat =
      request.idempotency_key.empty() ? HttpClient::Repeat::Unsafe : HttpClient::Repeat::Safe;
  ASSIGN_OR_RETURN(const HttpAnswer answer,
                   connection_->http.post("/v1/sign", body_of(request).compact(), repeat, request.meanwhile));
  if (answer.status != 200) {
    Refusal refusal = refusal_of(answer);
    if (refusal.error.code == ErrorCode::Unavailable) return std::move(refusal.error);
    return std::variant<Signed, Refusal>(std::move(refusal));
  }
  const Result<Json> body = Json::parse(answer.body);
  if (!body) return nonsense(body.error().detail);
  ASSIGN_OR_RETURN(Signed made, signed_of(*body));
  if (std::optional<Error> error = request.execute ? not_executed(*body) : std::nullopt) {
    if (error->code == ErrorCode::Unavailable) return *std::move(error);
    return std::variant<Signed, Refusal>(Refusal{*std::move(error), {}});
  }
  return std::variant<Signed, Refusal>(std::move(made));
}

Result<keymgmt::KeySet> SignerClient::keys() {
  ASSIGN_OR_RETURN(const Json body, json_of(connection_->http.get("/v1/keys")));
  return keymgmt::KeySet::parse(body);
}

Result<Json> SignerClient::nonce() {
  return json_of(connection_->http.get("/v1/nonce"));
}

Result<std::optional<Json>> SignerClient::decision(const Digest& intent, const Digest& policy) {
  Result<Json> body =
      json_of(connection_->http.get("/v1/decisions?intent_digest=" + intent.hex() + "&policy_digest=" + policy.hex()));
  if (body) return std::optional<Json>(*std::move(body));
  if (body.error().code == ErrorCode::NotFound) return std::optional<Json>();
  return std::move(body).error();
}

Result<Json> SignerClient::request_document(const Digest& intent) {
  ASSIGN_OR_RETURN(Json body, json_of(connection_->http.get("/v1/requests/" + intent.hex())));
  Json* document = body.find("intent");
  if (document == nullptr) return nonsense("it has no intent");
  return std::move(*document);
}

Result<Json> SignerClient::requests() {
  return json_of(connection_->http.get("/v1/requests"));
}

Result<Json> SignerClient::change(std::string_view target, const Json& body) {
  return json_of(connection_->http.post(target, body.compact(), HttpClient::Repeat::Unsafe));
}

Result<Json::Array> SignerClient::evidence(const Json& match) {
  Json::Array found;
  std::int64_t from = 0;
  while (true) {
    Json body = Json::object({{"from", from}, {"match", match}});
    ASSIGN_OR_RETURN(const Json answer,
                     json_of(connection_->http.post("/v1/evidence", body.compact(), HttpClient::Repeat::Safe)));
    const Json* records = answer.find("records");
    if (records == nullptr || !records->is_array()) return nonsense("it has no records");
    found.insert(found.end(), records->as_array().begin(), records->as_array().end());
    const Json* next = answer.find("next");
    if (next == nullptr) return found;
    if (!next->is_integer() || next->as_integer() <= from) return nonsense("next goes not on");
    from = next->as_integer();
  }
}

Result<Json> SignerClient::revoke_approval(const std::string& token_id, const std::string& reason) {
  const Json body = Json::object({{"token_id", token_id}, {"reason", reason}});
  return json_of(connection_->http.post("/v1/approvals/revoke", body.compact(), HttpClient::Repeat::Unsafe));
}

Status SignerClient::executed(const Json& trace) {
  RETURN_IF_ERROR(json_of(
      connection_->http.post("/v1/executed", Json::object({{"trace", trace}}).compact(), HttpClient::Repeat::Unsafe)));
  return ok();
}

Result<Json> SignerClient::verify(statement::StatementType type, const Json& statement) {
  const Json body = Json::object({{"type", statement::row_of(type).name}, {"statement", statement}});
  return json_of(connection_->http.post("/v1/verify", body.compact(), HttpClient::Repeat::Safe));
}

Result<std::string> SignerClient::get(std::string_view target) {
  ASSIGN_OR_RETURN(HttpAnswer answer, connection_->http.get(target));
  if (answer.status != 200 && answer.status != 503) return refusal_of(answer).error;
  return std::move(answer.body);
}

}  // namespace countersign::client
