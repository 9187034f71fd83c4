#include "command/broker/broker_connection.h"

#include <algorithm>
#include <cstdlib>

#include "common/bytes.h"
#include "common/secret_source.h"
#include "common/text.h"
#include "gate/broker/tool_request.h"

namespace countersign::command {
namespace {

// A call may wait for its tool and for a vetting.
constexpr transport::HttpClient::Timeouts kTimeouts = {std::chrono::seconds(5), std::chrono::minutes(10)};

Result<Json> read(const Result<transport::HttpAnswer>& answer) {
  if (!answer) return answer.error();
  if (answer->status != 200) return transport::error_of(*answer, "the broker");
  return Json::parse(answer->body, {.bytes = answer->body.size()});
}

}  // namespace

std::string broker_socket(const Arguments& arguments) {
  if (arguments.given("broker")) return std::string(arguments.text("broker"));
  const char* from_environment = std::getenv("COUNTERSIGN_BROKER");
  return std::string(from_environment != nullptr ? std::string_view(from_environment) : broker::kUsualSocket);
}

BrokerConnection::BrokerConnection(const std::string& socket) : http_(socket, kTimeouts) {}

Result<Json> BrokerConnection::get(const std::string& target) {
  return read(http_.get(target));
}

Result<BrokerConnection::Lines> BrokerConnection::audit_lines(std::uint64_t first) {
  Result<transport::HttpAnswer> answer = http_.get("/v1/audit?lines=1&first=" + std::to_string(first));
  if (!answer) return answer.error();
  if (answer->status != 200) return transport::error_of(*answer, "the broker");
  if (!answer->body.empty() && answer->body.back() != '\n') {
    return Error{ErrorCode::Invalid, "the broker's records end within a line"};
  }
  const auto count = static_cast<std::uint64_t>(std::ranges::count(answer->body, '\n'));
  return Lines{std::move(answer->body), count};
}

Result<Json> BrokerConnection::post(const std::string& target, const Json& body) {
  return read(http_.post(target, body.compact(), transport::HttpClient::Repeat::Unsafe));
}

Status add_agent(const Arguments& arguments, Json& body) {
  if (arguments.given("agent-id")) body.set("agent_id", arguments.text("agent-id"));
  const char* from_environment = std::getenv("COUNTERSIGN_AGENT_SECRET");
  const std::string path = arguments.given("agent-secret") ? std::string(arguments.text("agent-secret"))
                           : from_environment != nullptr   ? from_environment
                                                           : "";
  if (path.empty()) return ok();
  ASSIGN_OR_RETURN(const SecretBytes secret, secret_from("file:" + path, ""));
  body.set("agent_secret", trimmed(text_of(secret.reveal())));
  return ok();
}

int answered(Call& call, const Json& answer, int exit_code) {
  call.console.answer(call.json ? answer.compact() + "\n" : displayed_json(answer.gait_file()));
  return exit_code;
}

}  // namespace countersign::command
