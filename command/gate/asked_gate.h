// A gate that decides in place of this process: --gate, $COUNTERSIGN_GATE.
#pragma once

#include <optional>
#include <string>

#include "command/decision/evaluation.h"
#include "command/line/arguments.h"
#include "common/result.h"

namespace countersign::command {

inline constexpr Flag kGateFlag = {
    "gate", Flag::Kind::Text, "SOCKET",
    "ask the gate that serves there ($COUNTERSIGN_GATE), whose settings and policies count"};

// The socket of the gate to be asked; nothing where this process decides: neither --gate nor $COUNTERSIGN_GATE is
// given, or a key file or --signer is, without --gate.
std::optional<std::string> gate_address(const Arguments& arguments);

// The gate's answer about the files that `arguments` name. --policy is optional: where given, the gate must serve that
// very policy. Fails with Invalid for a flag whose matter is the gate's, with NotFound for a policy that it does not
// serve, with Unavailable where it does not answer; and as Evaluation::conclude, in the gate's words.
Result<EvaluationAnswer> ask_gate(const std::string& socket, const Arguments& arguments,
                                  const std::string& correlation_id);

}  // namespace countersign::command
