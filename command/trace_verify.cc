// trace verify: whether a trace is what a published trace key signed.
#include "command/command.h"
#include "command/commands.h"
#include "command/input_file.h"
#include "command/trace_answer.h"
#include "command/verifying_keys.h"
#include "common/text.h"

namespace countersign::command {
namespace {

constexpr Flag kFlags[] = {
    {"path", Flag::Kind::Text, "FILE", "the trace, instead of the argument"},
    kTrustFlag,
    kSignerFlag,
};

Result<std::string> trace_path(const Arguments& arguments) {
  const std::string path(trimmed(arguments.text("path")));
  const std::vector<std::string>& words = arguments.positionals();
  if (words.size() + (path.empty() ? 0 : 1) != 1) return Error{ErrorCode::Invalid, "expected trace path"};
  return path.empty() ? words.front() : path;
}

Result<int> verify(Call& call, const Arguments& arguments) {
  ASSIGN_OR_RETURN(const std::string path, trace_path(arguments));
  ASSIGN_OR_RETURN(const keymgmt::KeySet keys, verifying_keys(arguments, keymgmt::Role::Trace));
  ASSIGN_OR_RETURN(const Json trace, read_document("trace record", path));

  const TraceCheck check = check_trace(path, trace, keys);
  if (!check.verified) {
    const Error& failure = check.verified.error();
    if (call.json) answer_as_gait(call, check.members);
    call.console.tell("trace verify error: " + failure.detail);
    return row_of(failure.code).exit_code;
  }
  if (call.json) {
    answer_as_gait(call, check.members);
  } else {
    call.console.answer("verified      " + path + "\nverdict       " + std::string(trace.text("verdict")) +
                        "\ntrace         " + std::string(trace.text("trace_id")) + "\nsigned        " +
                        check.verified->signed_at().rfc3339() + "\nkey           " + check.verified->key().key.kid() +
                        "\n");
  }
  return 0;
}

}  // namespace

Command trace_verify_command() {
  return {"trace verify",
          "PATH [--public-key FILE | --trust DIR | --signer SOCKET]",
          "Checks a trace's signature, digests and key",
          "Without a key flag the signer's published keys are asked for. Exits 0 verified, 2 not, 6 unreadable.",
          "countersign trace verify ./gait-out/trace.json --json",
          kFlags,
          Positionals::Anywhere,
          Shape::Gait,
          verify};
}

}  // namespace countersign::command
