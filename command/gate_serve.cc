// gate serve: the gate as a process on a Unix socket.
#include <charconv>
#include <span>

#include "command/comma_list.h"
#include "command/command.h"
#include "command/commands.h"
#include "command/gate_http.h"
#include "command/gate_settings.h"
#include "command/signer_address.h"
#include "command/stop_signals.h"

namespace countersign::command {
namespace {

constexpr Flag kOwnFlags[] = {
    {"socket", Flag::Kind::Text, "PATH", "where to listen"},
    {"policy", Flag::Kind::Text, "FILES", "the policies, separated by commas; read at start and on reload"},
    {"policy-in-request", Flag::Kind::Switch, "", "requests may bring a policy of their own, for trying policies out"},
    {"peer-uid", Flag::Kind::Text, "UIDS", "users that may ask beside the gate's own and root, separated by commas"},
    {"requests-per-second", Flag::Kind::Integer, "N", "of each user, with twice as many at once (200)"},
    {"in-flight", Flag::Kind::Integer, "N", "unanswered requests of each user (64)"},
    {"workers", Flag::Kind::Integer, "N", "evaluations at the same time (4)"},
    {"connections", Flag::Kind::Integer, "N", "open connections; beyond them the longest idle one is closed (2048)"},
    {"answer-within", Flag::Kind::Integer, "SECONDS", "what waited longer is refused undecided (10)"},
    kSignerFlag,
};

// With the settings of every evaluation.
std::span<const Flag> all_flags() {
  static const std::vector<Flag> flags = [] {
    std::vector<Flag> out(std::begin(kOwnFlags), std::end(kOwnFlags));
    out.insert(out.end(), setting_flags().begin(), setting_flags().end());
    return out;
  }();
  return flags;
}

Result<std::set<std::uint32_t>> uids(std::string_view list) {
  std::set<std::uint32_t> out;
  for (const std::string& word : comma_list(list)) {
    std::uint32_t uid = 0;
    const auto read = std::from_chars(word.data(), word.data() + word.size(), uid);
    if (read.ec != std::errc() || read.ptr != word.data() + word.size()) {
      return Error{ErrorCode::Invalid, "--peer-uid: \"" + word + "\" is no user id"};
    }
    out.insert(uid);
  }
  return out;
}

Result<GateHttpOptions> http_options(const Arguments& arguments) {
  GateHttpOptions options;
  ASSIGN_OR_RETURN(options.peers, uids(arguments.text("peer-uid")));
  const auto positive = [&arguments](std::string_view name, std::int64_t otherwise) -> Result<std::int64_t> {
    const std::int64_t given = arguments.integer(name).value_or(otherwise);
    if (given < 1 || given > 65536) {
      return Error{ErrorCode::Invalid, "--" + std::string(name) + " must be from 1 to 65536"};
    }
    return given;
  };
  ASSIGN_OR_RETURN(const std::int64_t rate, positive("requests-per-second", 200));
  ASSIGN_OR_RETURN(const std::int64_t in_flight, positive("in-flight", 64));
  ASSIGN_OR_RETURN(const std::int64_t workers, positive("workers", 4));
  ASSIGN_OR_RETURN(const std::int64_t connections, positive("connections", 2048));
  ASSIGN_OR_RETURN(const std::int64_t answer_within, positive("answer-within", 10));
  options.connections = static_cast<std::size_t>(connections);
  options.answer_within = std::chrono::seconds(answer_within);
  options.requests_per_second = static_cast<double>(rate);
  options.burst = 2 * options.requests_per_second;
  options.in_flight = static_cast<int>(in_flight);
  options.workers = static_cast<std::size_t>(std::min<std::int64_t>(workers, 64));
  return options;
}

Result<int> serve(Call& call, const Arguments& arguments) {
  const std::string socket(arguments.text("socket"));
  if (socket.empty() || !arguments.positionals().empty()) return Error{ErrorCode::Invalid, "--socket is required"};
  ASSIGN_OR_RETURN(GateHttpOptions options, http_options(arguments));
  ASSIGN_OR_RETURN(const std::unique_ptr<DecisionService> service, DecisionService::load(arguments));
  // Who may connect at all is the kernel's word, per request; others than ours need the file's mode as well.
  ASSIGN_OR_RETURN(transport::Listener listener,
                   transport::Listener::bind(socket, options.peers.empty() ? 0600 : 0666));
  ASSIGN_OR_RETURN(StopSignals signals, StopSignals::block(StopSignals::Hangup::Listened));
  transport::EventLoop loop;
  GateHttp http(loop, *service, std::move(options), signer_address(arguments).path);
  const auto watch = signals.end(loop, http, [&] {
    const Status reloaded = http.reload();
    call.console.tell(reloaded ? "gate serve: reloaded " + service->policies().compact()
                               : "gate serve: the policies stay as they were: " + reloaded.error().detail);
  });
  RETURN_IF_ERROR(http.serve(std::move(listener)));
  Json started = service->policies();
  started.set("ok", true);
  started.set("socket", socket);
  if (call.json) {
    call.console.answer(started.compact() + "\n");
  } else {
    call.console.tell("gate serve: listening on " + socket + " " + service->policies().compact());
  }
  loop.run();
  return 0;
}

}  // namespace

Command gate_serve_command() {
  return {
      "gate serve",
      "--socket PATH --policy FILES [flags]",
      "Answers POST /v1/evaluate on a Unix socket as `gate eval` answers on the command line",
      "Policies are read at start, and again only on SIGHUP or POST /v1/reload; where one is wrong the old ones stay.\n"
      "Every decision is signed by the signer: without one the answer is 503. Limits, credentials, inventory and kill\n"
      "switch are the gate's own settings, not its callers'. SIGTERM ends it after the last answer.",
      "countersign gate serve --socket /run/countersign/gate.sock --policy /etc/countersign/policy.yaml",
      all_flags(),
      Positionals::Anywhere,
      Shape::Ours,
      serve};
}

}  // namespace countersign::command
