// gate serve: the gate as a process on a Unix socket.
#include "command/decision/decision_service.h"
#include "command/gate/commands.h"
#include "command/gate/gate_process.h"
#include "command/line/command.h"

namespace countersign::command {
namespace {

constexpr Flag kOwnFlags[] = {
    {"policy", Flag::Kind::Text, "FILES", "the policies, separated by commas; read at start and on reload"},
    {"policy-in-request", Flag::Kind::Switch, "", "requests may bring a policy of their own, for trying policies out"},
};

Result<int> serve(Call& call, const Arguments& arguments) {
  ASSIGN_OR_RETURN(GateHttpOptions options, gate_http_options(arguments));
  return serve_gate(call, arguments, std::move(options), {"gate serve", DecisionService::load, listen_on_socket});
}

}  // namespace

Command gate_serve_command() {
  static const std::vector<Flag> flags = gate_process_flags(kOwnFlags);
  return {
      "gate serve",
      "--socket PATH --policy FILES [flags]",
      "Answers POST /v1/evaluate on a Unix socket as `gate eval` answers on the command line",
      "Policies are read at start, and again only on SIGHUP or POST /v1/reload; where one is wrong the old ones stay.\n"
      "Every decision is signed by the signer: without one the answer is 503. Limits, credentials, inventory and kill\n"
      "switch are the gate's own settings, not its callers'. SIGTERM ends it after the last answer.",
      "countersign gate serve --socket /run/countersign/gate.sock --policy /etc/countersign/policy.yaml",
      flags,
      Positionals::Anywhere,
      Shape::Ours,
      serve};
}

}  // namespace countersign::command
