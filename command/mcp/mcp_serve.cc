// mcp serve: verdicts on tool calls, on a Unix socket or a port of loopback (reference: gait-formats §17).
#include <cstdlib>

#include "command/gate/gate_process.h"
#include "command/line/command.h"
#include "command/mcp/call_folders.h"
#include "command/mcp/commands.h"
#include "command/mcp/job_stop.h"
#include "command/mcp/tool_call_service.h"
#include "common/digest.h"
#include "common/text.h"

namespace countersign::command {
namespace {

constexpr std::size_t kShortestToken = 16;

constexpr Flag kOwnFlags[] = {
    {"policy", Flag::Kind::Text, "FILE", "the policy, YAML; read at start and on reload"},
    {"listen", Flag::Kind::Text, "ADDRESS", "127.0.0.1:PORT or [::1]:PORT instead of a socket; needs --token-env"},
    {"token-env", Flag::Kind::Text, "NAME", "the environment variable of the bearer token that is asked for on a port"},
    {"auth-token-env", Flag::Kind::Text, "NAME", "the same, as gait calls it"},
    {"auth-mode", Flag::Kind::Text, "KIND", "token (default), as gait has it: off is refused"},
    {"adapter", Flag::Kind::Text, "NAME", "the shape of calls whose question names none: mcp (default), openai, …"},
    {"http-verdict-status", Flag::Kind::Text, "KIND",
     "compat (default): 200 for every verdict; strict: 403 for block, 409 for what may not run as it is"},
    kJobRootFlag,
    {"max-request-bytes", Flag::Kind::Integer, "N", "the longest request that is read, at most 1048576 (default)"},
};

constexpr std::int64_t kLongestRequest = std::int64_t{1} << 20;

// The variable is read once and taken away: no child has it.
Result<Digest> token_of(const Arguments& arguments) {
  std::string name(trimmed(arguments.text("token-env")));
  if (name.empty()) name = trimmed(arguments.text("auth-token-env"));
  if (name.empty()) {
    return Error{ErrorCode::Invalid, "--listen needs --token-env: whoever uses this host can connect to a port",
                 "token_required", "listen on a --socket, where the kernel says who asks, or name a token"};
  }
  const char* given = std::getenv(name.c_str());
  const std::string token(trimmed(given == nullptr ? "" : given));
  if (token.size() < kShortestToken) {
    return Error{ErrorCode::Invalid,
                 "the token in $" + name + " must have " + std::to_string(kShortestToken) + " characters or more",
                 "token_required"};
  }
  ::unsetenv(name.c_str());
  return sha256(token);
}

Result<transport::Listener> listen(const Arguments& arguments, GateHttpOptions& options) {
  const std::string_view address = arguments.text("listen");
  if (address.empty()) return listen_on_socket(arguments, options);
  if (arguments.given("socket")) return Error{ErrorCode::Invalid, "--listen and --socket: one of them"};
  ASSIGN_OR_RETURN(const Digest token, token_of(arguments));
  ASSIGN_OR_RETURN(transport::Listener listener, transport::Listener::bind_loopback(address));
  options.port = GatePort{listener.path(), token};
  return listener;
}

Result<int> serve(Call& call, const Arguments& arguments) {
  ASSIGN_OR_RETURN(GateHttpOptions options, gate_http_options(arguments));
  const std::string status = lowered(trimmed(arguments.text("http-verdict-status", "compat")));
  if (status != "compat" && status != "ok" && status != "strict") {
    return Error{ErrorCode::Invalid, "unsupported --http-verdict-status value (expected compat or strict)"};
  }
  const std::string auth = lowered(trimmed(arguments.text("auth-mode", "token")));
  if (auth != "token") {
    return Error{ErrorCode::Invalid,
                 "--auth-mode: \"" + auth + "\" is not token: whoever uses this host can connect to a port",
                 "token_required", "listen on a --socket, where the kernel says who asks, or name a token"};
  }
  const std::int64_t longest = arguments.integer("max-request-bytes").value_or(kLongestRequest);
  if (longest < 1) return Error{ErrorCode::Invalid, "--max-request-bytes must be > 0"};
  if (longest > kLongestRequest) {
    return Error{ErrorCode::Invalid,
                 "--max-request-bytes: more than " + std::to_string(kLongestRequest) + " are not read"};
  }
  options.request_bytes = static_cast<std::size_t>(longest);
  options.status_by_verdict = status == "strict";
  options.event_routes = true;
  return serve_gate(call, arguments, std::move(options), {"mcp serve", ToolCallService::load, listen});
}

}  // namespace

Command mcp_serve_command() {
  static const std::vector<Flag> flags = [] {
    std::vector<Flag> own(std::begin(kOwnFlags), std::end(kOwnFlags));
    own.insert(own.end(), std::begin(kFolderFlags), std::end(kFolderFlags));
    return gate_process_flags(own);
  }();
  return {
      "mcp serve",
      "--socket PATH|--listen ADDRESS --policy FILE [flags]",
      "Answers POST /v1/evaluate on a socket as `mcp proxy` answers on the command line",
      "POST /v1/evaluate/sse answers with one server-sent event, POST /v1/evaluate/stream with one line of JSON.\n"
      "A question is {\"adapter\",\"call\"}, with approval_tokens and delegation_tokens where there are some. Into "
      "the\n"
      "folders that are named go traces, runpacks for emit_runpack, and a journal of each session (session_id), with "
      "a\n"
      "checkpoint after every checkpoint_interval calls; what has been kept long enough is removed after each call.\n"
      "Nothing is executed: the caller acts on the verdict. On a Unix socket the kernel says who asks; on a port of\n"
      "loopback, the only kind there is, a token is asked for. Otherwise as gate serve, settings and reload included.",
      "countersign mcp serve --socket /run/countersign/mcp.sock --policy /etc/countersign/policy.yaml",
      flags,
      Positionals::Anywhere,
      Shape::Ours,
      serve};
}

}  // namespace countersign::command
