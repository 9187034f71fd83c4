// run, permit: the wrapped tool path, for command lines and for calls of a program's own functions. The command starts
// only with a permit that verifies, is for exactly this command line, is fresh, and was marked executed at the signer
// just before. Everything else starts nothing.
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "command/approval/recorded_intent.h"
#include "command/gate/commands.h"
#include "command/line/command.h"
#include "command/line/input_file.h"
#include "command/line/signer_address.h"
#include "command/line/verifying_keys.h"
#include "common/program_path.h"
#include "common/text.h"
#include "gate/client/permit.h"
#include "gate/context/context_evidence.h"
#include "signer/client/signer_client.h"
#include "signer/process/child_program.h"

namespace countersign::command {
namespace {

constexpr Flag kFlags[] = {
    {"trace", Flag::Kind::Text, "FILE", "the signed allow"},
    {"intent", Flag::Kind::Text, "FILE", "the intent it allows"},
    {"context-envelope", Flag::Kind::Text, "FILE",
     "the envelope it was evaluated with (else as the signer recorded it)"},
    {"policy-digest", Flag::Kind::Text, "HEX", "the only policy under which it may have been decided"},
    {"trust", Flag::Kind::Text, "DIR", "a synced publication directory whose keys alone are believed"},
    kSignerFlag,
};

// The signer holds the rule, and refuses an older permit whatever is said here.
constexpr std::chrono::nanoseconds kExecuteWithin = std::chrono::minutes(5);

// Nothing was started, and the caller must be able to tell: exit 7 where the signer cannot be asked, else 3.
Error not_run(Error error) {
  const bool unreachable = error.code == ErrorCode::Unavailable || error.code == ErrorCode::OverLimit;
  std::string reason = error.wire_code();
  return Error{unreachable ? ErrorCode::Unavailable : ErrorCode::Refused, error.detail + "; nothing was run",
               std::move(reason), std::move(error.hint)};
}

// The intent as it was hashed: an envelope's facts are part of it and stand in no intent file. What the signer recorded
// only supplies them; the digest of the trace decides whether they are right.
Result<gate::Intent> hashed_intent(const Arguments& arguments, const Json& trace, client::SignerClient& signer) {
  ASSIGN_OR_RETURN(const std::string intent_text, read_input("intent", std::string(arguments.text("intent"))));
  ASSIGN_OR_RETURN(gate::Intent intent, gate::Intent::parse(intent_text, gate::ArgsReading::Exact));
  if (const std::string path(arguments.text("context-envelope")); !path.empty()) {
    ASSIGN_OR_RETURN(const std::string text, read_input("context envelope", path));
    ASSIGN_OR_RETURN(gate::ContextEnvelope envelope, gate::ContextEnvelope::parse(std::string_view(text)));
    return intent.with_envelope_facts(envelope.set_digest(), envelope.mode(), envelope.refs(), std::nullopt);
  }
  if (trace.text("context_source") != "context_envelope") return intent;
  ASSIGN_OR_RETURN(const Digest digest, Digest::parse(trace.text("intent_digest")));
  ASSIGN_OR_RETURN(const RecordedIntent recorded, RecordedIntent::fetch(signer, digest));
  return intent.with_envelope_facts(recorded.context_set_digest(), recorded.context_evidence_mode(),
                                    recorded.context_refs(), std::nullopt);
}

// The permit for `argv`, or for a call where that is null, marked executed. Only after this may anything start.
Status obtain_permit(const Arguments& arguments, const std::vector<std::string>* argv) {
  ASSIGN_OR_RETURN(const Json trace, read_document("trace record", std::string(arguments.text("trace"))));
  std::optional<Digest> policy_digest;
  if (arguments.given("policy-digest")) {
    ASSIGN_OR_RETURN(policy_digest, Digest::parse(trimmed(arguments.text("policy-digest"))));
  }
  client::SignerClient signer(signer_address(arguments).path);
  ASSIGN_OR_RETURN(const keymgmt::KeySet keys,
                   arguments.given("trust") ? verifying_keys(arguments, keymgmt::Role::Trace) : signer.keys());
  ASSIGN_OR_RETURN(const gate::Intent intent, hashed_intent(arguments, trace, signer));
  const gate::client::PermitRules rules{keys, policy_digest, kExecuteWithin, SystemClock().now()};
  ASSIGN_OR_RETURN(const gate::client::Permit permit, argv == nullptr
                                                          ? gate::client::Permit::check_call(trace, intent, rules)
                                                          : gate::client::Permit::check(trace, intent, *argv, rules));
  return signer.executed(permit.trace());
}

Result<int> run(Call&, const Arguments& arguments) {
  const std::vector<std::string>& argv = arguments.positionals();
  if (arguments.text("trace").empty() || arguments.text("intent").empty() || argv.empty()) {
    return not_run(Error{ErrorCode::Invalid, "--trace, --intent and, after --, the command to run are required"});
  }
  // Before the permit is spent: a misspelt program must not cost an approval.
  const Result<std::string> program = program_path(argv.front());
  if (!program) return not_run(program.error());
  if (Status permitted = obtain_permit(arguments, &argv); !permitted) return not_run(std::move(permitted).error());

  std::vector<char*> words;
  for (const std::string& word : argv) words.push_back(const_cast<char*>(word.c_str()));
  words.push_back(nullptr);
  ::execv(program->c_str(), words.data());
  return Error{ErrorCode::Internal,
               "cannot start " + *program + ": " + std::strerror(errno) + "; the permit is spent and nothing was run"};
}

Result<int> permit(Call& call, const Arguments& arguments) {
  if (arguments.text("trace").empty() || arguments.text("intent").empty() || !arguments.positionals().empty()) {
    return not_run(Error{ErrorCode::Invalid, "--trace and --intent are required"});
  }
  if (Status permitted = obtain_permit(arguments, nullptr); !permitted) return not_run(std::move(permitted).error());
  call.console.answer(call.json ? Json::object({{"ok", true}, {"permitted", true}}).compact() + "\n" : "permitted\n");
  return 0;
}

}  // namespace

Command permit_command() {
  return {
      "permit",
      "--trace FILE --intent FILE [--trust DIR] [--policy-digest HEX]",
      "Spends a permit for one call of a program's own function",
      "Checks what `run` checks, but for the command line, and has the signer mark the permit executed: exit 0 once,\n"
      "and then the caller runs exactly the call that the intent describes. Exits 3 when refused, 7 when the signer\n"
      "cannot be asked: then nothing may run.",
      "countersign permit --trace ./gait-out/trace.json --intent intent.json --trust /var/lib/countersign/published",
      kFlags,
      Positionals::Anywhere,
      Shape::Ours,
      permit};
}

Command run_command() {
  return {"run",
          "--trace FILE --intent FILE [--policy-digest HEX] -- CMD…",
          "Runs a command that was allowed, once",
          "The trace must verify, say allow, be at most five minutes old and be for this intent, whose args.argv must\n"
          "equal CMD byte for byte. The signer marks it executed first; a second run is refused. Exits with CMD's own\n"
          "status, or with 3 when refused and 7 when the signer cannot be asked: then nothing was run.",
          "countersign run --trace ./gait-out/trace.json --intent intent.json -- kubectl delete deployment payments",
          kFlags,
          Positionals::Command,
          Shape::Ours,
          run};
}

}  // namespace countersign::command
