// broker inbox: what waits for people, and their answers, in the terminal or on a page.
#include <unistd.h>

#include <iostream>

#include "command/approval/token_proof.h"
#include "command/broker/broker_desk.h"
#include "command/broker/commands.h"
#include "command/broker/inbox_terminal.h"
#include "command/broker/inbox_web.h"
#include "command/line/command.h"
#include "command/line/signer_address.h"
#include "command/serving/stop_signals.h"

namespace countersign::command {
namespace {

constexpr Flag kFlags[] = {
    {"web", Flag::Kind::Switch, "", "a page on this machine instead of the terminal"},
    {"port", Flag::Kind::Integer, "N", "of the page (a free one)"},
    {"approver", Flag::Kind::Text, "IDENTITY",
     "who approves, as the signer's roster spells it ($COUNTERSIGN_APPROVER)"},
    kSshKeyFlag,
    kProofFlag,
    kSignerFlag,
    kBrokerFlag,
};

constexpr std::chrono::minutes kUnused{30};

Result<int> serve_page(Call& call, const Arguments& arguments) {
  const std::int64_t port = arguments.integer("port").value_or(0);
  if (port < 0 || port > 65535) return Error{ErrorCode::Invalid, "--port is 0 to 65535"};
  ASSIGN_OR_RETURN(transport::Listener listener,
                   transport::Listener::bind_loopback("127.0.0.1:" + std::to_string(port)));
  ASSIGN_OR_RETURN(StopSignals signals, StopSignals::block());
  transport::EventLoop loop;
  InboxWeb web(loop, arguments);
  RETURN_IF_ERROR(web.serve(std::move(listener)));
  bool stopping = false;
  const auto watch = signals.watch(loop, [&](int) {
    stopping = true;
    web.stop_accepting();
  });
  loop.every(std::chrono::milliseconds(50), [&] {
    if (!stopping && web.unused_for() > kUnused) {
      stopping = true;
      web.stop_accepting();
    }
    if (stopping && web.idle()) loop.stop();
  });
  if (call.json) {
    call.console.answer(Json::object({{"ok", true}, {"url", web.link()}}).compact() + "\n");
  } else {
    call.console.answer(web.link() + "\n");
    call.console.tell(
        "broker inbox: open this address in a browser on this machine, once. It ends with Ctrl-C, or after "
        "30 minutes unused.");
  }
  loop.run();
  return 0;
}

std::optional<std::string> typed_line() {
  std::string line;
  if (!std::getline(std::cin, line)) return std::nullopt;
  return line;
}

Result<int> inbox(Call& call, const Arguments& arguments) {
  if (!arguments.positionals().empty()) return Error{ErrorCode::Invalid, "broker inbox takes flags only"};
  BrokerDesk desk(arguments);
  if (arguments.is_on("web")) {
    RETURN_IF_ERROR(desk.inbox());  // who may not ask learns it here, not in the browser
    return serve_page(call, arguments);
  }
  if (call.json) {
    ASSIGN_OR_RETURN(const Json answer, desk.inbox());
    call.console.answer(answer.compact() + "\n");
    return 0;
  }
  if (desk.approver().empty()) {
    call.console.tell("broker inbox: nobody is named, so approving will be refused: --approver IDENTITY");
  }
  RETURN_IF_ERROR(InboxTerminal(desk, call.console, typed_line).run());
  return 0;
}

}  // namespace

Command broker_inbox_command() {
  return {
      "broker inbox",
      "[--web [--port N]] [--approver IDENTITY] [--ssh-key FILE]",
      "Shows what waits for people, and takes their answers",
      "In the terminal: a list, then words (help lists them). --web serves the same as a page on 127.0.0.1, run by\n"
      "you, with your user and your key: a link of random bits lets one browser in, once. Everything that will run\n"
      "is shown before it is approved; secrets in arguments are masked. --json prints what waits and ends.",
      "countersign broker inbox --approver alice@company --ssh-key ~/.ssh/id_ed25519",
      kFlags,
      Positionals::Anywhere,
      Shape::Ours,
      inbox};
}

}  // namespace countersign::command
