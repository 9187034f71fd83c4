#include "gate/client/gate_connection.h"

#include "signer/statement/statement.h"
#include "signer/transport/http_client.h"

namespace countersign::gate::client {
namespace {

using transport::HttpAnswer;
using transport::HttpClient;

Error nonsense(const std::string& detail) {
  return Error{ErrorCode::Unavailable, "the gate's answer cannot be used: " + detail, "bad_answer"};
}

// A trace says what the answer says; a simulated one never comes from a gate.
Status check(const Json& answer) {
  if (!answer.is_object()) return nonsense("it is no object");
  if (!statement::verdict_named(answer.text("verdict"))) return nonsense("its verdict is none");
  const Json* trace = answer.find("trace");
  if (trace == nullptr) return ok();
  for (const std::string_view member : {"verdict", "intent_digest", "policy_digest"}) {
    if (trace->text(member) != answer.text(member)) return nonsense("its trace has another " + std::string(member));
  }
  return ok();
}

}  // namespace

struct GateConnection::Connection {
  HttpClient http;
};

GateConnection::GateConnection(std::string socket_path, std::chrono::nanoseconds timeout)
    : connection_(new Connection{HttpClient(std::move(socket_path), HttpClient::Timeouts{timeout, timeout})}) {}
GateConnection::GateConnection(GateConnection&&) noexcept = default;
GateConnection& GateConnection::operator=(GateConnection&&) noexcept = default;
GateConnection::~GateConnection() = default;

Result<Json> GateConnection::evaluate(const Json& request) {
  const bool repeats = !request.text("idempotency_key").empty();
  Result<HttpAnswer> answer = connection_->http.post("/v1/evaluate", request.compact(),
                                                     repeats ? HttpClient::Repeat::Safe : HttpClient::Repeat::Unsafe);
  if (!answer) {
    Error error = std::move(answer).error();
    error.detail = "the gate gave no answer: " + error.detail;
    error.hint = "is `countersign gate serve` running? --gate and $COUNTERSIGN_GATE name its socket";
    return error;
  }
  if (answer->status != 200) return transport::error_of(*answer, "the gate");
  Result<Json> members = Json::parse(answer->body, {.bytes = std::size_t{4} << 20});
  if (!members) return nonsense(members.error().detail);
  RETURN_IF_ERROR(check(*members));
  return members;
}

}  // namespace countersign::gate::client
