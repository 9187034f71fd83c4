// broker mcp: the broker as a server of the Model Context Protocol, on standard input and output or over HTTP.
#include <time.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>

#include "command/broker/broker_connection.h"
#include "command/broker/broker_mcp_http.h"
#include "command/broker/commands.h"
#include "command/line/command.h"
#include "command/serving/stop_signals.h"
#include "gate/broker/mcp_session.h"

namespace countersign::command {
namespace {

constexpr Flag kFlags[] = {
    {"listen", Flag::Kind::Text, "ADDRESS", "serve HTTP on 127.0.0.1:PORT, [::1]:PORT or unix:/PATH instead"},
    {"hold", Flag::Kind::Integer, "SECONDS", "keep a call open while people decide, at most so long (0)"},
    kAgentFlag,
    kSecretFlag,
    kBrokerFlag,
};
constexpr std::size_t kLongestLine = std::size_t{1} << 20;
constexpr std::int64_t kLongestHold = 3600;
constexpr std::string_view kUnix = "unix:";

// The lines of standard input, each once; nothing at its end. One that is too long is handed over cut, and is no JSON
// then.
class Lines {
 public:
  std::optional<std::string> next() {
    for (;;) {
      const std::size_t end = buffer_.find('\n');
      if (end != std::string::npos || buffer_.size() > kLongestLine) {
        std::string line = buffer_.substr(0, std::min(end, kLongestLine + 1));
        end == std::string::npos ? skip() : static_cast<void>(buffer_.erase(0, end + 1));
        return line;
      }
      char part[65536];
      const ssize_t got = ::read(STDIN_FILENO, part, sizeof part);
      if (got < 0 && errno == EINTR) continue;
      if (got <= 0) return std::nullopt;
      buffer_.append(part, static_cast<std::size_t>(got));
    }
  }

 private:
  // What is left of a line that was too long.
  void skip() {
    buffer_.clear();
    char c = 0;
    while (::read(STDIN_FILENO, &c, 1) == 1 && c != '\n') {
    }
  }
  std::string buffer_;
};

// How long a call may still be held, and the client's news of it.
class Hold {
 public:
  Hold(Console& console, std::int64_t seconds) : console_(console), most_(seconds) {}
  void begin() {
    began_ = std::chrono::steady_clock::now();
    told_ = 0;
  }
  bool wait(const std::optional<Json>& progress_token) {
    if (std::chrono::steady_clock::now() - began_ >= std::chrono::seconds(most_)) return false;
    if (progress_token) {
      console_.answer(broker::waiting_for_approval(*progress_token, ++told_).compact() + "\n");
    }
    const timespec second{1, 0};
    ::nanosleep(&second, nullptr);
    return true;
  }

 private:
  Console& console_;
  std::int64_t most_;
  std::chrono::steady_clock::time_point began_;
  std::int64_t told_ = 0;
};

Result<transport::Listener> listener_on(std::string_view address) {
  if (!address.starts_with(kUnix)) return transport::Listener::bind_loopback(address);
  // Who may connect at all is the kernel's word, per request.
  return transport::Listener::bind(std::string(address.substr(kUnix.size())), 0666);
}

Result<int> serve_http(Call& call, const Arguments& arguments, std::int64_t hold) {
  if (arguments.given("agent-secret")) {
    return Error{ErrorCode::Invalid,
                 "--agent-secret does not go with --listen: it would lend the secret to all who connect", "",
                 "clients send theirs: Authorization: Bearer SECRET"};
  }
  const std::string_view address = arguments.text("listen");
  ASSIGN_OR_RETURN(transport::Listener listener, listener_on(address));
  ASSIGN_OR_RETURN(StopSignals signals, StopSignals::block());
  const std::string where = listener.path();
  const bool is_unix = address.starts_with(kUnix);
  transport::EventLoop loop;
  McpHttp http(loop, {broker_socket(arguments), std::string(arguments.text("agent-id")), is_unix ? "" : where,
                      std::chrono::seconds(hold)});
  const auto watch = signals.end(loop, http);
  RETURN_IF_ERROR(http.serve(std::move(listener)));
  if (call.json) {
    call.console.answer(Json::object({{"ok", true}, {"listening", where}}).compact() + "\n");
  } else {
    call.console.tell("broker mcp: listening on " + where);
  }
  loop.run();
  return 0;
}

Result<int> serve_mcp(Call& call, const Arguments& arguments) {
  if (!arguments.positionals().empty()) return Error{ErrorCode::Invalid, "unexpected positional arguments"};
  const std::int64_t seconds = arguments.integer("hold").value_or(0);
  if (seconds < 0 || seconds > kLongestHold) return Error{ErrorCode::Invalid, "--hold must be from 0 to 3600"};
  if (arguments.given("listen")) return serve_http(call, arguments, seconds);
  Json agent = Json::object({});
  RETURN_IF_ERROR(add_agent(arguments, agent));
  BrokerConnection broker(arguments);
  Hold hold(call.console, seconds);
  broker::McpSession session(
      [&](const std::string& target, const Json& body) {
        Json whole = body;
        for (const auto& [name, value] : agent.as_object()) whole.set(name, value);
        return broker.post(target, whole);
      },
      [&hold](const std::optional<Json>& progress_token) { return hold.wait(progress_token); });
  Lines lines;
  while (const std::optional<std::string> line = lines.next()) {
    if (line->find_first_not_of(" \t\r") == std::string::npos) continue;
    hold.begin();
    if (const std::optional<Json> reply = session.answer(*line)) call.console.answer(reply->compact() + "\n");
  }
  return 0;
}

}  // namespace

Command broker_mcp_command() {
  return {
      "broker mcp",
      "[--listen ADDRESS] [--hold SECONDS] [--agent-id NAME]",
      "Serves the broker's tools, resources and prompts to clients of the Model Context Protocol, on standard input "
      "and output or over HTTP",
      "Tools and prompts are called SERVER__NAME, resources countersign:SERVER/URI. What is not allowed yet is a "
      "result\n"
      "with isError and approval_required (an error with the same of resources and prompts); with\n"
      "--hold the call is kept open while people decide, with notifications of progress. Protocol versions 2024-11-05 "
      "to\n"
      "2025-11-25 (with the handshake) and 2026-07-28 (without).\n"
      "--listen serves Streamable HTTP at /mcp, on loopback or a Unix socket alone. On a Unix socket the user who\n"
      "connects is the agent (one process for several users runs as the broker's user); on loopback the agent's "
      "secret\n"
      "is asked for (Authorization: Bearer SECRET). SIGTERM ends it after the last answer.",
      "countersign broker mcp --agent-id web-runner --hold 60",
      kFlags,
      Positionals::Anywhere,
      Shape::Ours,
      serve_mcp};
}

}  // namespace countersign::command
