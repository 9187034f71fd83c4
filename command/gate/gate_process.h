// A gate as a process on a Unix socket, until SIGTERM or SIGINT; SIGHUP reads the policies again.
#pragma once

#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "command/decision/gate_answers.h"
#include "command/gate/gate_http.h"
#include "command/line/arguments.h"
#include "command/line/command.h"
#include "command/line/signer_address.h"

namespace countersign::command {

inline constexpr Flag kGateProcessFlags[] = {
    {"socket", Flag::Kind::Text, "PATH", "where to listen"},
    {"peer-uid", Flag::Kind::Text, "UIDS", "users that may ask beside the gate's own and root, separated by commas"},
    {"requests-per-second", Flag::Kind::Integer, "N", "of each user, with twice as many at once (200)"},
    {"in-flight", Flag::Kind::Integer, "N", "unanswered requests of each user (64)"},
    {"workers", Flag::Kind::Integer, "N", "evaluations at the same time (4)"},
    {"connections", Flag::Kind::Integer, "N", "open connections; beyond them the longest idle one is closed (2048)"},
    {"answer-within", Flag::Kind::Integer, "SECONDS", "what waited longer is refused undecided (10)"},
    kSignerFlag,
};

// The flags of such a command: its own, those of the process, and the settings of every evaluation.
std::vector<Flag> gate_process_flags(std::span<const Flag> own);

// What those flags say. Fails with Invalid.
Result<GateHttpOptions> gate_http_options(const Arguments& arguments);

// What such a command is made of beside its flags.
struct GateProcess {
  std::string_view words;  // the command's
  Result<std::unique_ptr<GateAnswers>> (*load)(const Arguments& arguments);
  // Called after `load`; may complete `options`.
  Result<transport::Listener> (*listen)(const Arguments& arguments, GateHttpOptions& options);
};

// On --socket. Fails with Invalid without it, and as Listener::bind does.
Result<transport::Listener> listen_on_socket(const Arguments& arguments, GateHttpOptions& options);

// Serves until it is told to end; 0 then. Fails with Invalid where a word is left over, and as `process` does.
Result<int> serve_gate(Call& call, const Arguments& arguments, GateHttpOptions options, const GateProcess& process);

}  // namespace countersign::command
