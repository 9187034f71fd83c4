#include "command/gate/gate_process.h"

#include <charconv>

#include "command/decision/gate_settings.h"
#include "command/line/comma_list.h"
#include "command/serving/stop_signals.h"

namespace countersign::command {
namespace {

Result<std::set<std::uint32_t>> uids(std::string_view list) {
  std::set<std::uint32_t> out;
  for (const std::string& word : comma_list(list)) {
    std::uint32_t uid = 0;
    const auto read = std::from_chars(word.data(), word.data() + word.size(), uid);
    if (read.ec != std::errc() || read.ptr != word.data() + word.size()) {
      return Error{ErrorCode::Invalid, "--peer-uid: \"" + word + "\" is no user id"};
    }
    if (uid == transport::Peer::kNobody) {
      return Error{ErrorCode::Invalid, "--peer-uid: " + word + " is nobody, who is not known"};
    }
    out.insert(uid);
  }
  return out;
}

}  // namespace

std::vector<Flag> gate_process_flags(std::span<const Flag> own) {
  std::vector<Flag> flags(own.begin(), own.end());
  flags.insert(flags.end(), std::begin(kGateProcessFlags), std::end(kGateProcessFlags));
  return with_settings(flags);
}

Result<GateHttpOptions> gate_http_options(const Arguments& arguments) {
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

Result<transport::Listener> listen_on_socket(const Arguments& arguments, GateHttpOptions& options) {
  const std::string socket(arguments.text("socket"));
  if (socket.empty()) return Error{ErrorCode::Invalid, "--socket is required"};
  // Who may connect at all is the kernel's word, per request; others than ours need the file's mode as well.
  return transport::Listener::bind(socket, options.peers.empty() ? 0600 : 0666);
}

Result<int> serve_gate(Call& call, const Arguments& arguments, GateHttpOptions options, const GateProcess& process) {
  if (!arguments.positionals().empty()) return Error{ErrorCode::Invalid, "unexpected positional arguments"};
  ASSIGN_OR_RETURN(const std::unique_ptr<GateAnswers> answers, process.load(arguments));
  ASSIGN_OR_RETURN(transport::Listener listener, process.listen(arguments, options));
  const std::string name = std::string(process.words) + ": ";
  const std::string socket = listener.path();
  ASSIGN_OR_RETURN(StopSignals signals, StopSignals::block(StopSignals::Hangup::Listened));
  transport::EventLoop loop;
  GateHttp http(loop, *answers, std::move(options), signer_address(arguments).path);
  const auto watch = signals.end(loop, http, [&] {
    const Status reloaded = http.reload();
    call.console.tell(reloaded ? name + "reloaded " + answers->policies().compact()
                               : name + "the policies stay as they were: " + reloaded.error().detail);
  });
  RETURN_IF_ERROR(http.serve(std::move(listener)));
  Json started = answers->policies();
  started.set("ok", true);
  started.set("socket", socket);
  if (call.json) {
    call.console.answer(started.compact() + "\n");
  } else {
    call.console.tell(name + "listening on " + socket + " " + answers->policies().compact());
  }
  loop.run();
  return 0;
}

}  // namespace countersign::command
