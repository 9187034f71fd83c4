// The broker as its commands ask it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "command/line/arguments.h"
#include "command/line/command.h"
#include "common/json.h"
#include "common/result.h"
#include "signer/transport/http_client.h"

namespace countersign::command {

inline constexpr Flag kBrokerFlag = {"broker", Flag::Kind::Text, "SOCKET",
                                     "the broker ($COUNTERSIGN_BROKER, else /run/countersign-broker/broker.sock)"};
inline constexpr Flag kAgentFlag = {"agent-id", Flag::Kind::Text, "NAME", "which of its agents asks"};
inline constexpr Flag kSecretFlag = {"agent-secret", Flag::Kind::Text, "FILE",
                                     "the agent's secret ($COUNTERSIGN_AGENT_SECRET names the file)"};

// The socket that --broker or the environment names.
std::string broker_socket(const Arguments& arguments);

class BrokerConnection {
 public:
  explicit BrokerConnection(const Arguments& arguments) : BrokerConnection(broker_socket(arguments)) {}
  explicit BrokerConnection(const std::string& socket);

  // Fail with Unavailable where nobody listens or no answer comes, and as the broker refuses. A post is sent once.
  Result<Json> get(const std::string& target);
  Result<Json> post(const std::string& target, const Json& body);
  // Records of the audit from `first` on, one JSON object a line, as many as come at once; empty after the last.
  struct Lines {
    std::string text;
    std::uint64_t count = 0;
  };
  Result<Lines> audit_lines(std::uint64_t first);

 private:
  transport::HttpClient http_;
};

// The body's members that say which agent asks: agent_id, agent_secret. Fails where the secret's file cannot be read.
Status add_agent(const Arguments& arguments, Json& body);

// Prints the broker's answer: on one line with --json, else for people, with nothing in it that a terminal obeys. Gives
// `exit_code`.
int answered(Call& call, const Json& answer, int exit_code = 0);

}  // namespace countersign::command
