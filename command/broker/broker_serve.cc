// broker serve: the broker as a process.
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>

#include "command/broker/commands.h"
#include "command/broker/service/broker_http.h"
#include "command/decision/decision_service.h"
#include "command/decision/gate_settings.h"
#include "command/line/command.h"
#include "command/line/signer_address.h"
#include "command/serving/stop_signals.h"
#include "gate/notices/notifier.h"

namespace countersign::command {
namespace {

constexpr Flag kFlags[] = {
    {"config", Flag::Kind::Text, "FILE", "broker.yaml (deploy/config/broker.yaml explains every option)"},
    kSignerFlag,
};
// What the gate within asks of its own command line beside setting_flags().
constexpr Flag kGateFlags[] = {
    {"policy", Flag::Kind::Text, "FILE", ""},
    {"policy-in-request", Flag::Kind::Switch, "", ""},
};

// The settings of the gate within: the standard ones, with the broker's policies.
Result<Arguments> gate_arguments(const broker::BrokerConfig& config) {
  static const std::vector<Flag> flags = [] {
    std::vector<Flag> out(std::begin(kGateFlags), std::end(kGateFlags));
    out.insert(out.end(), setting_flags().begin(), setting_flags().end());
    return out;
  }();
  std::vector<std::string> words = {"--policy-in-request"};
  if (!config.policy.empty()) words.insert(words.end(), {"--policy", config.policy});
  return Arguments::parse(flags, Positionals::Anywhere, words);
}

Status prepare_state(const std::string& state) {
  std::error_code error;
  std::filesystem::create_directories(std::filesystem::path(state).parent_path(), error);
  if (::mkdir(state.c_str(), 0700) != 0 && errno != EEXIST) {
    return Error{ErrorCode::Unavailable, "cannot make " + state + ": " + std::strerror(errno)};
  }
  struct stat facts {};
  if (::lstat(state.c_str(), &facts) != 0 || !S_ISDIR(facts.st_mode) || facts.st_uid != ::geteuid() ||
      (facts.st_mode & 077) != 0) {
    return Error{ErrorCode::Refused, state + " must be a directory of this user that nobody else can enter",
                 "state_not_private", "chown and chmod 0700 " + state};
  }
  for (const char* folder : {"/snapshots", "/reports"}) {
    if (::mkdir((state + folder).c_str(), 0700) != 0 && errno != EEXIST) {
      return Error{ErrorCode::Unavailable, "cannot make " + state + folder + ": " + std::strerror(errno)};
    }
  }
  return ok();
}

Result<int> serve(Call& call, const Arguments& arguments) {
  if (!arguments.given("config") || !arguments.positionals().empty()) {
    return Error{ErrorCode::Invalid, "--config FILE is required"};
  }
  ASSIGN_OR_RETURN(const broker::BrokerConfig config,
                   broker::BrokerConfig::load(std::string(arguments.text("config"))));
  for (const std::string& warning : config.warnings) call.console.tell("warning: " + warning);
  RETURN_IF_ERROR(prepare_state(config.state));
  const SystemClock clock;
  ASSIGN_OR_RETURN(const std::unique_ptr<broker::BrokerStore> store,
                   broker::BrokerStore::open(config.state + "/broker.db", clock));
  ASSIGN_OR_RETURN(const Arguments settings, gate_arguments(config));
  ASSIGN_OR_RETURN(const std::unique_ptr<DecisionService> gate, DecisionService::open(settings));
  // Who may ask for what is the kernel's word, per request.
  ASSIGN_OR_RETURN(transport::Listener listener, transport::Listener::bind(config.socket, 0666));
  ASSIGN_OR_RETURN(StopSignals signals, StopSignals::block());
  ASSIGN_OR_RETURN(const std::unique_ptr<notices::Outbox> outbox, notices::Outbox::open(*store, config.notify, clock));
  ASSIGN_OR_RETURN(const std::unique_ptr<notices::ReplyCodes> codes,
                   notices::ReplyCodes::open(*store, config.state + "/reply.key", config.notify.reply_attempts, clock));
  BrokerService service(config, *store, *gate, clock, *outbox, *codes);
  RETURN_IF_ERROR(store->record({"started", {{"configuration", config.socket}}}));
  ASSIGN_OR_RETURN(const auto notifier,
                   notices::Notifier::start(config.notify, *store, *outbox, *codes, clock,
                                            [&](const std::string& what) { call.console.tell(what); }));
  const bool other = arguments.given("signer") || config.signer.empty();
  transport::EventLoop loop;
  BrokerHttp http(loop, service, other ? signer_address(arguments).path : config.signer);
  const auto watch = signals.end(loop, http);
  RETURN_IF_ERROR(http.serve(std::move(listener)));
  loop.every(std::chrono::seconds(30), [&] { service.expire(); });
  loop.every(std::chrono::seconds(1),
             [&] { (void)store->settle(); });  // else the next record, or who asks for it, says
  if (call.json) {
    call.console.answer(Json::object({{"ok", true}, {"socket", config.socket}}).compact() + "\n");
  } else {
    call.console.tell("broker serve: listening on " + config.socket);
  }
  loop.run();
  service.stop();
  return 0;
}

}  // namespace

Command broker_serve_command() {
  return {"broker serve",
          "--config FILE [--signer SOCKET]",
          "Stands between agents and their tools",
          "Calls are judged by the agents' lists, then by the gate, which has each decision signed; what is not "
          "allowed yet\n"
          "becomes a request that people approve with a token of the signer. Tool servers run in a sandbox. It holds "
          "no key.\n"
          "SIGTERM ends it after the last answer.",
          "countersign broker serve --config /etc/countersign/broker.yaml",
          kFlags,
          Positionals::Anywhere,
          Shape::Ours,
          serve};
}

}  // namespace countersign::command
